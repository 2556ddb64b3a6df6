// Package fieldtest tries the fields of option structs with boundary values.
package fieldtest

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
)

// Each calls try with copies of base, a struct, that have another value in one field: numbers around
// zero and at the limits of their types, NaN and infinities; texts that are empty, long, no UTF-8 or
// contain a NUL; negated flags; and lists of such values. It visits nested structs, too. name says
// what was changed. Functions, interfaces and unexported fields keep their values.
func Each[T any](base T, try func(name string, changed T)) {
	v := reflect.New(reflect.TypeFor[T]()).Elem()
	each(v, reflect.ValueOf(base), "", func(name string) { try(name, v.Interface().(T)) })
}

// each sets v to base and calls try for each value of each field.
func each(v, base reflect.Value, prefix string, try func(string)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		v.Set(base)
		if f.Type.Kind() == reflect.Struct {
			each(v.Field(i), base.Field(i), prefix+f.Name+".", try)
			continue
		}
		for _, x := range values(f.Type) {
			v.Set(base)
			v.Field(i).Set(x)
			try(prefix + f.Name + " " + printed(x))
		}
	}
	v.Set(base)
}

func printed(v reflect.Value) string {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	return fmt.Sprintf("%.40q", fmt.Sprint(v))
}

// values returns the values to try for a type.
func values(t reflect.Type) (list []reflect.Value) {
	add := func(x any) { list = append(list, reflect.ValueOf(x).Convert(t)) }
	switch t.Kind() {
	case reflect.Bool:
		add(true)
		add(false)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		most := int64(1)<<(t.Bits()-1) - 1
		few := []int64{-most - 1, -most, -1 << 7, -2, -1, 0, 1, 2, 3, most - 1, most}
		if t != reflect.TypeFor[int]() && t != reflect.TypeFor[time.Duration]() { // an enumeration
			few = append(few, 4, 5, 6, 7, 8, 100)
		}
		for _, n := range few {
			add(n)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		most := uint64(math.MaxUint64) >> (64 - t.Bits())
		for _, n := range []uint64{0, 1, 2, most/2 + 1, most - 1, most} {
			add(n)
		}
	case reflect.Float32, reflect.Float64:
		for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat32, -math.MaxFloat32, -1, -1e-30, 0, math.SmallestNonzeroFloat32, 1e-30, 1, 2} {
			add(x)
		}
	case reflect.String:
		for _, s := range []string{"", "x", "\x00", "a\x00b", "\xff", strings.Repeat("long ", 2000), "../..", "\n"} {
			add(s)
		}
	case reflect.Slice:
		list = append(list, reflect.Zero(t), reflect.MakeSlice(t, 0, 0))
		for _, x := range elements(t.Elem()) {
			list = append(list, reflect.Append(reflect.MakeSlice(t, 0, 2), x, x))
		}
	case reflect.Map:
		list = append(list, reflect.Zero(t), reflect.MakeMap(t))
		for _, k := range elements(t.Key()) {
			for _, x := range elements(t.Elem()) {
				m := reflect.MakeMap(t)
				m.SetMapIndex(k, x)
				list = append(list, m)
			}
		}
	case reflect.Pointer:
		list = append(list, reflect.Zero(t))
		for _, x := range elements(t.Elem()) {
			p := reflect.New(t.Elem())
			p.Elem().Set(x)
			list = append(list, p)
		}
	}
	return list
}

// elements returns the values to try for elements of a list. For a struct, one field differs in each.
func elements(t reflect.Type) (list []reflect.Value) {
	if t.Kind() != reflect.Struct {
		return values(t)
	}
	v := reflect.New(t).Elem()
	each(v, reflect.Zero(t), "", func(string) {
		c := reflect.New(t).Elem()
		c.Set(v)
		list = append(list, c)
	})
	return list
}
