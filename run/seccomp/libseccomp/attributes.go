package seccomp

// The settings of a filter are for whoever loads it; none but the actions changes the program.

// GetDefaultAction gives the action where no rule holds.
func (f *ScmpFilter) GetDefaultAction() (ScmpAction, error) { return get(f, f.fallback) }

// GetBadArchAction gives the action for interfaces that the filter does not speak of.
func (f *ScmpFilter) GetBadArchAction() (ScmpAction, error) { return get(f, f.badArch) }

// SetBadArchAction sets the action for interfaces that the filter does not speak of.
func (f *ScmpFilter) SetBadArchAction(action ScmpAction) error {
	if _, err := action.kernel(); err != nil {
		return err
	}
	return set(f, &f.badArch, action)
}

// GetNoNewPrivsBit tells whether no_new_privs is wished; it is so by default.
func (f *ScmpFilter) GetNoNewPrivsBit() (bool, error) { return get(f, f.noNewPrivs) }

// SetNoNewPrivsBit wishes no_new_privs or not.
func (f *ScmpFilter) SetNoNewPrivsBit(state bool) error { return set(f, &f.noNewPrivs, state) }

// GetTsync tells whether all threads shall get the filter.
func (f *ScmpFilter) GetTsync() (bool, error) { return get(f, f.tsync) }

// SetTsync wishes the filter for all threads or not.
func (f *ScmpFilter) SetTsync(state bool) error { return set(f, &f.tsync, state) }

// GetLogBit tells whether actions shall be logged.
func (f *ScmpFilter) GetLogBit() (bool, error) { return get(f, f.log) }

// SetLogBit wishes that all actions but [ActAllow] are logged. The error is a [*VersionError] when
// the kernel can not.
func (f *ScmpFilter) SetLogBit(state bool) error {
	return setFlag(f, &f.log, state, "SetLogBit", levelLog)
}

// GetSSB tells whether the mitigation of speculative store bypass shall stay off.
func (f *ScmpFilter) GetSSB() (bool, error) { return get(f, f.ssb) }

// SetSSB wishes that the mitigation of speculative store bypass stays off. The error is a
// [*VersionError] when the kernel can not.
func (f *ScmpFilter) SetSSB(state bool) error {
	return setFlag(f, &f.ssb, state, "SetSSB", levelSpecAllow)
}

// GetWaitKill tells whether a call that waits for its listener shall be killable only.
func (f *ScmpFilter) GetWaitKill() (bool, error) { return get(f, f.waitKill) }

// SetWaitKill wishes that a call whose notification was received can be interrupted by fatal
// signals only. The error is a [*VersionError] when the kernel can not.
func (f *ScmpFilter) SetWaitKill(state bool) error {
	return setFlag(f, &f.waitKill, state, "SetWaitKill", levelWaitKill)
}

// GetRawRC gives what [ScmpFilter.SetRawRC] set.
func (f *ScmpFilter) GetRawRC() (bool, error) { return get(f, f.rawRC) }

// SetRawRC is kept for callers; errors here are never libseccomp's codes.
func (f *ScmpFilter) SetRawRC(state bool) error { return set(f, &f.rawRC, state) }

// GetOptimize gives what [ScmpFilter.SetOptimize] set.
func (f *ScmpFilter) GetOptimize() (int, error) { return get(f, f.optimize) }

// SetOptimize is kept for callers; programs are always searches.
func (f *ScmpFilter) SetOptimize(level int) error { return set(f, &f.optimize, level) }

// SetSyscallPriority is kept for callers; in a search every call is found as fast.
func (f *ScmpFilter) SetSyscallPriority(ScmpSyscall, uint8) error {
	if !f.IsValid() {
		return errNoFilter
	}
	return nil
}

func get[T any](f *ScmpFilter, value T) (T, error) {
	if !f.IsValid() {
		var zero T
		return zero, errNoFilter
	}
	return value, nil
}

func set[T any](f *ScmpFilter, field *T, value T) error {
	if !f.IsValid() {
		return errNoFilter
	}
	*field = value
	return nil
}

// setFlag asks the kernel first: libcontainer tries flags on an uninitialized filter and looks at
// nothing but the type of the error.
func setFlag(f *ScmpFilter, field *bool, state bool, operation string, level uint) error {
	if have, _ := GetAPI(); state && have < level {
		return &VersionError{operation: operation, have: have, want: level}
	}
	return set(f, field, state)
}
