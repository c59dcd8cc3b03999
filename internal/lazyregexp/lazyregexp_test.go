package lazyregexp

import (
	"sync"
	"testing"
)

func TestManyUseItFirst(t *testing.T) {
	digits := New(`^(\d+)-`)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if !digits.MatchString("12-") || digits.MatchString("x") {
				t.Error("it does not match as it should")
			}
			if got := digits.FindStringSubmatch("12-"); len(got) != 2 || got[1] != "12" {
				t.Errorf("groups = %q", got)
			}
			if got := digits.ReplaceAllString("12-a", "b"); got != "ba" {
				t.Errorf("replaced = %q", got)
			}
		})
	}
	all.Wait()
}

func TestNonsensePanicsWhenItIsUsed(t *testing.T) {
	nonsense := New(`(`)
	defer func() {
		if recover() == nil {
			t.Error("it did not panic")
		}
	}()
	nonsense.MatchString("")
}
