package run

import (
	"errors"
	"fmt"

	"github.com/dhow-containers/dhow/run/limit"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/sandbox"
)

// Update changes what a container may use of the machine: at once when it runs, and for its later
// starts. Flags that are not given leave their limits as they are, and so does restart "" the policy.
func Update(b record.Book, f record.Found, flags limit.Flags, restart string) error {
	policy, err := record.ParseRestart(restart)
	if err != nil {
		return err
	}
	err = b.Amend(f.ID, func(c *record.Container) error {
		if restart != "" {
			if c.AutoRemove && !policy.Never() {
				return errors.New("Restart policy cannot be updated because AutoRemove is enabled for the container")
			}
			c.Restart = policy
		}
		l := c.Limits
		if err := conflict(l, flags); err != nil {
			return err
		}
		if err := l.Read(flags); err != nil {
			return err
		}
		if err := l.Check(limitHost(), true); err != nil {
			return err
		}
		now, err := b.Find(f.ID)
		if err != nil {
			return err
		}
		if now.State.Status == record.Running {
			if err := updateNow(now, l); err != nil {
				return err
			}
		} else if err := limitable(l, c.CgroupParent); err != nil {
			return err
		}
		c.Limits = l
		return nil
	})
	if err == nil {
		b.Tell(f.Container, "update")
	}
	return err
}

func updateNow(f record.Found, l limit.Limits) error {
	resources, err := l.Resources()
	if err != nil || resources == nil {
		return err
	}
	if f.State.Cgroup == "" {
		if len(l.Needs()) == 0 {
			return nil
		}
		return noGroup(f, fmt.Sprintf("%s can not be set for container %s", l.Needs()[0].Flag, f.Name))
	}
	if err := sandbox.Limit(f.State.Cgroup, resources); err != nil {
		return ended(f, fmt.Errorf("updating container %s: %w", f.Name, err))
	}
	return nil
}

// conflict refuses the two ways to bound processor time at once (moby: daemon/container.go,
// UpdateContainer).
func conflict(l limit.Limits, flags limit.Flags) error {
	switch {
	case flags.CPUs != "" && l.CPUPeriod != 0:
		return errors.New("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set")
	case flags.CPUs != "" && l.CPUQuota != 0:
		return errors.New("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set")
	case flags.CPUPeriod != "" && l.NanoCPUs != 0:
		return errors.New("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set")
	case flags.CPUQuota != "" && l.NanoCPUs != 0:
		return errors.New("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set")
	}
	return nil
}
