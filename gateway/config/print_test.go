// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/config"
)

// sameWhenPrinted: both styles read back as the configuration that was printed.
func sameWhenPrinted(t *testing.T, c *config.Config) {
	t.Helper()
	for _, style := range []config.Style{config.Plain, config.Commented} {
		text := config.Print(c, style)
		again, faults := config.Load("/elsewhere/f.yaml", text, "/other")
		if faults.Errors() != 0 {
			t.Fatalf("style %d does not read back: %v\n%s", style, faults, text)
		}
		if !reflect.DeepEqual(c, again) {
			t.Fatalf("style %d reads back as something else:\n%s", style, text)
		}
		if style == config.Commented && string(config.Print(again, config.Plain)) != string(config.Print(c, config.Plain)) {
			t.Fatal("printed again, it differs")
		}
	}
}

func TestPrintReadsBack(t *testing.T) {
	t.Parallel()
	sameWhenPrinted(t, config.Embedded("/data"))
	sameWhenPrinted(t, config.Embedded("/a dir/with: \"odd\" #name/é"))
	for _, name := range golden(t, "testdata/good/*.yaml") {
		sameWhenPrinted(t, load(t, name))
	}
}

// With comments, every field that may be written is there, also absent ones.
func TestPrintCommentsEveryField(t *testing.T) {
	t.Parallel()
	text := string(config.Print(config.Embedded("/data"), config.Commented))
	for _, name := range []string{"acme", "sessions"} {
		text += string(config.Print(load(t, "testdata/good/"+name+".yaml"), config.Commented))
	}
	walk(reflect.TypeFor[config.Config](), func(in reflect.Type, f reflect.StructField) {
		key := f.Tag.Get("yaml")
		if in == reflect.TypeFor[config.IdentityFiles]() || in == reflect.TypeFor[config.Keyring]() || in == reflect.TypeFor[config.Issuer]() || key == "files" {
			return // of a source that neither has; of lists that are written in one line
		}
		if !regexp.MustCompile(`(?m)^ *(# )?` + key + `:`).MatchString(text) {
			t.Errorf("%s is not shown", key)
		}
		if !strings.Contains(text, "# "+f.Tag.Get("doc")+"\n") {
			t.Errorf("the meaning of %s is not shown", key)
		}
	})
}

// The tags are the definition of the file: each field says what it is, and what a
// change takes.
func TestEveryFieldIsDefined(t *testing.T) {
	t.Parallel()
	classes := map[string]bool{"": true, "live": true, "restart": true, "never": true}
	keyForm := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	walk(reflect.TypeFor[config.Config](), func(in reflect.Type, f reflect.StructField) {
		where := in.Name() + "." + f.Name
		if !keyForm.MatchString(f.Tag.Get("yaml")) {
			t.Errorf("%s: key %q", where, f.Tag.Get("yaml"))
		}
		if len(f.Tag.Get("doc")) < 5 {
			t.Errorf("%s has no meaning", where)
		}
		if !classes[f.Tag.Get("reload")] || in.Name() == "Config" && f.Tag.Get("reload") == "" {
			t.Errorf("%s does not say what a change takes", where)
		}
		as, arg, _ := strings.Cut(f.Tag.Get("as"), " ")
		if as == "" != (f.Type.Kind() == reflect.Struct && f.Type.PkgPath() == in.PkgPath()) {
			t.Errorf("%s: as %q of a %s", where, as, f.Type)
		}
		if !config.CodecKnown(as, arg) {
			t.Errorf("%s: nothing reads %q with %q", where, as, arg)
		}
	})
}

// walk calls visit for each field that is written in the file.
func walk(t reflect.Type, visit func(in reflect.Type, f reflect.StructField)) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("yaml") == "-" {
			continue
		}
		visit(t, f)
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() == t.PkgPath() {
			walk(inner, visit)
		}
	}
}
