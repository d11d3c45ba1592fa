package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/build/plan"
)

// keyVersion is raised when the same step comes to have another result.
const keyVersion = "dhow step 2"

// Inputs are what a step reads besides its own Op, as its executor found it out.
type Inputs struct {
	// Parent is the key of Node.Parent; "" for none.
	Parent string
	// Inputs are keys of Node.Inputs, or digests of what is read of them (which lead to more hits);
	// either way one for each, in order. They never mix up: give keys as Key returns them and
	// digests as source.Digest does.
	Inputs []string
	// Items are the digests (source.Digest) of each of CopyOp.Items that comes from a context, and
	// the content digests of its URLs, in the order of Items; "" for those from a node and for
	// inline ones.
	Items []string
	// Mounts are the digests of each of RunOp.Mounts that shows a context; "" for the others.
	Mounts []string
	// Platform is the one built for.
	Platform plan.Platform
}

// Part is one labelled piece of a key, so that two keys can be compared by a person.
type Part struct{ Name, Value string }

// Key gives the cache key of n, "key:" and 64 hex digits, and the parts it was made of.
//
// It is complete by construction: every exported field of the Op counts unless it is tagged
// `key:"-"`, and an input the Op mentions but in does not hold is an error, not an empty place.
func Key(n *plan.Node, in Inputs) (string, []Part, error) {
	k := &keyer{node: n}
	k.add("version", keyVersion)
	k.add("platform", in.Platform.String())
	if err := k.inputs(n, in); err != nil {
		return "", nil, fmt.Errorf("key of %s: %w", n.Name, err)
	}
	op := reflect.ValueOf(n.Op)
	if op.Kind() != reflect.Pointer || op.IsNil() {
		return "", nil, fmt.Errorf("key of %s: an operation of type %T", n.Name, n.Op)
	}
	k.add("op", op.Type().Elem().Name())
	if err := k.value("", op.Elem()); err != nil {
		return "", nil, fmt.Errorf("key of %s: %w", n.Name, err)
	}
	h := sha256.New()
	var size [8]byte
	for _, p := range k.parts {
		for _, s := range []string{p.Name, p.Value} {
			binary.BigEndian.PutUint64(size[:], uint64(len(s)))
			h.Write(size[:])
			io.WriteString(h, s)
		}
	}
	return fmt.Sprintf("key:%x", h.Sum(nil)), k.parts, nil
}

// keyer gathers the parts of one key.
type keyer struct {
	node  *plan.Node
	parts []Part
}

func (k *keyer) add(name, value string) { k.parts = append(k.parts, Part{name, value}) }

// inputs adds what other steps and contexts contribute, and refuses gaps.
func (k *keyer) inputs(n *plan.Node, in Inputs) error {
	linked := false
	var wantItems, wantMounts []bool
	switch op := n.Op.(type) {
	case *plan.CopyOp:
		linked = op.Link
		for _, item := range op.Items {
			wantItems = append(wantItems, item.URL != nil || item.Inline == nil && op.From.Kind == plan.FromContext)
		}
	case *plan.RunOp:
		for _, m := range op.Mounts {
			wantMounts = append(wantMounts, m.From.Kind == plan.FromContext)
		}
	}
	// A linked copy is made on an empty filesystem: what lies below it is no input.
	if !linked {
		if (n.Parent != nil) != (in.Parent != "") {
			return fmt.Errorf("the key of the step below is %q", in.Parent)
		}
		k.add("parent", in.Parent)
	}
	if len(in.Inputs) != len(n.Inputs) || slices.Contains(in.Inputs, "") {
		return fmt.Errorf("%d of %d inputs are known", len(in.Inputs), len(n.Inputs))
	}
	k.list("input", in.Inputs)
	if err := k.wanted("item", wantItems, in.Items); err != nil {
		return err
	}
	return k.wanted("mount", wantMounts, in.Mounts)
}

func (k *keyer) list(name string, values []string) {
	for i, v := range values {
		k.add(fmt.Sprintf("%s %d", name, i), v)
	}
}

func (k *keyer) wanted(name string, want []bool, have []string) error {
	for i, w := range want {
		digest := ""
		if i < len(have) {
			digest = have[i]
		}
		if w && digest == "" {
			return fmt.Errorf("the content of %s %d is not known", name, i)
		}
		if w {
			k.add(fmt.Sprintf("%s %d content", name, i), digest)
		}
	}
	return nil
}

// value adds a value under its name: one part for each leaf that is not zero. What is zero is told
// by its absence; the length of every list is a part of its own.
func (k *keyer) value(name string, v reflect.Value) error {
	switch x := v.Interface().(type) {
	case *plan.Node:
		if x == nil {
			return nil
		}
		i := slices.Index(k.node.Inputs, x)
		if i < 0 {
			return fmt.Errorf("%s is a step that is not among the inputs", name)
		}
		k.add(name, fmt.Sprintf("input %d", i))
		return nil
	case *time.Time:
		if x != nil {
			k.add(name, x.UTC().Format(time.RFC3339Nano))
		}
		return nil
	case plan.Mount:
		if x.Type == "cache" {
			x.ID, x.Sharing = "", ""
		}
		return k.fields(name, reflect.ValueOf(x))
	}
	switch v.Kind() {
	case reflect.Struct:
		return k.fields(name, v)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		k.add(name, "present")
		return k.value(name, v.Elem())
	case reflect.Slice:
		if v.Len() > 0 {
			k.add(name, fmt.Sprintf("%d elements", v.Len()))
		}
		for i := range v.Len() {
			if err := k.value(fmt.Sprintf("%s[%d]", name, i), v.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.String:
		if s := v.String(); s != "" {
			k.add(name, s)
		}
		return nil
	case reflect.Bool:
		if v.Bool() {
			k.add(name, "true")
		}
		return nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if v.Int() != 0 {
			k.add(name, fmt.Sprint(v.Int()))
		}
		return nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() != 0 {
			k.add(name, fmt.Sprint(v.Uint()))
		}
		return nil
	}
	return fmt.Errorf("%s is a %s, which has no place in a key", name, v.Type())
}

func (k *keyer) fields(name string, v reflect.Value) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Tag.Get("key") == "-" {
			continue
		}
		if err := k.value(strings.TrimPrefix(name+"."+f.Name, "."), v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}
