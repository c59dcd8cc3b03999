package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/brigadecore/brigade/v3"
)

func testRecords(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	_, err := s.Record(ctx, "token", "a")
	wantCode(t, err, brigade.CodeNotFound)
	all, err := s.ListRecords(ctx, "token", brigade.RecordQuery{})
	must(t, err)
	if len(all) != 0 {
		t.Errorf("an empty store has %d records", len(all))
	}
	wantCode(t, s.PutRecord(ctx, "", "a", nil), brigade.CodeInvalid)
	wantCode(t, s.PutRecord(ctx, "token", "", nil), brigade.CodeInvalid)

	for _, data := range []string{"first", "", "a\x00b\xff\u2028", "{}", strings.Repeat("x", 1<<20)} {
		given := []byte(data)
		must(t, s.PutRecord(ctx, "token", "a", given))
		for i := range given {
			given[i] = '!'
		}
		got, err := s.Record(ctx, "token", "a")
		must(t, err)
		if string(got) != data {
			t.Fatalf("%.20q came back as %.20q", data, got)
		}
		for i := range got {
			got[i] = '!'
		}
		all, err := s.ListRecords(ctx, "token", brigade.RecordQuery{})
		must(t, err)
		if len(all) != 1 || all[0].Key != "a" || string(all[0].Data) != data {
			t.Fatalf("the list has %d records, want one with %.20q", len(all), data)
		}
	}
	must(t, s.PutRecord(ctx, "token", "nil", nil))
	must(t, s.PutRecord(ctx, brigade.KindDelivery, "a", []byte("another kind")))
	got, err := s.Record(ctx, brigade.KindDelivery, "a")
	must(t, err)
	if string(got) != "another kind" {
		t.Errorf("a record of another kind is %q", got)
	}
}

// keysOf lists the keys of a page, each with a space.
func keysOf(t *testing.T, s brigade.Store, kind string, q brigade.RecordQuery) string {
	t.Helper()
	page, err := s.ListRecords(t.Context(), kind, q)
	must(t, err)
	var keys []string
	for _, r := range page {
		keys = append(keys, r.Key)
		if string(r.Data) != "of "+r.Key {
			t.Errorf("record %q has %q", r.Key, r.Data)
		}
	}
	return strings.Join(keys, " ")
}

func testRecordPages(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	for _, key := range []string{"b", "B", "ä", "a", "a\x00", "aa", "\xff", "10", "9"} {
		must(t, s.PutRecord(ctx, "k", key, []byte("of "+key)))
	}
	must(t, s.PutRecord(ctx, "k2", "c", []byte("of c")))
	const byBytes = "\xff ä b aa a\x00 a B 9 10"
	if got := keysOf(t, s, "k", brigade.RecordQuery{}); got != byBytes {
		t.Errorf("keys are %q, want %q", got, byBytes)
	}
	for _, c := range []struct {
		q    brigade.RecordQuery
		want string
	}{
		{brigade.RecordQuery{Limit: 2}, "\xff ä"},
		{brigade.RecordQuery{Limit: 2, Before: "ä"}, "b aa"},
		{brigade.RecordQuery{Before: "9"}, "10"},
		{brigade.RecordQuery{Before: "10"}, ""},
		{brigade.RecordQuery{Before: "a\x00\x00", Limit: 1}, "a\x00"},
	} {
		if got := keysOf(t, s, "k", c.q); got != c.want {
			t.Errorf("%+v gives %q, want %q", c.q, got, c.want)
		}
	}
	for n := range 1002 {
		must(t, s.PutRecord(ctx, brigade.KindDelivery, fmt.Sprintf("%05d", n), []byte("x")))
	}
	for limit, want := range map[int]int{0: 50, -1: 50, 7: 7, 1000: 1000, 5000: 1000} {
		page, err := s.ListRecords(ctx, brigade.KindDelivery, brigade.RecordQuery{Limit: limit})
		must(t, err)
		if len(page) != want || page[0].Key != "01001" {
			t.Errorf("limit %d gives %d records from %s on, want %d", limit, len(page), page[0].Key, want)
		}
	}
}

func testRecordDeletes(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	gone := func(kind, key string, only bool, want int) {
		t.Helper()
		n, err := s.DeleteRecords(ctx, kind, key, only)
		must(t, err)
		if n != want {
			t.Errorf("DeleteRecords(%s, %s, %t) removed %d, want %d", kind, key, only, n, want)
		}
	}
	for _, kind := range []string{"audit", "other"} {
		for _, key := range []string{"a", "b", "c", "d"} {
			must(t, s.PutRecord(ctx, kind, key, []byte("of "+key)))
		}
	}
	gone("audit", "x", true, 0)
	gone("none", "x", false, 0)
	gone("audit", "a", false, 0)
	gone("audit", "", false, 0)
	gone("audit", "b", true, 1)
	gone("audit", "b", true, 0)
	gone("audit", "d", false, 2)
	if left := keysOf(t, s, "audit", brigade.RecordQuery{}); left != "d" {
		t.Errorf("%q are left, want d", left)
	}
	if left := keysOf(t, s, "other", brigade.RecordQuery{}); left != "d c b a" {
		t.Errorf("%q are left of the other kind", left)
	}
	const many = 1300
	for n := range many {
		must(t, s.PutRecord(ctx, brigade.KindDelivery, fmt.Sprintf("%05d", n), nil))
	}
	gone(brigade.KindDelivery, "01299", false, many-1)
	must(t, s.PutRecord(ctx, "audit", "b", []byte("of b"))) // again
	if left := keysOf(t, s, "audit", brigade.RecordQuery{}); left != "d b" {
		t.Errorf("%q are left, want d b", left)
	}
}

func testRecordRace(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	var wg sync.WaitGroup
	for owner := range 8 {
		wg.Go(func() {
			for n := range 40 {
				own := []byte(strings.Repeat(fmt.Sprint(owner), 100))
				if err := s.PutRecord(ctx, brigade.KindDelivery, fmt.Sprintf("%d-%03d", owner, n), own); err != nil {
					t.Errorf("PutRecord: %v", err)
				}
				if err := s.PutRecord(ctx, brigade.KindDelivery, "zz", own); err != nil {
					t.Errorf("PutRecord: %v", err)
				}
				last, err := s.Record(ctx, brigade.KindDelivery, "zz")
				if err != nil || len(last) != 100 || !bytes.Equal(last, bytes.Repeat(last[:1], 100)) {
					t.Errorf("a record that many replace is %.200q, %v", last, err)
				}
			}
			if n, err := s.DeleteRecords(ctx, brigade.KindDelivery, fmt.Sprintf("%d-000", owner), true); n != 1 || err != nil {
				t.Errorf("DeleteRecords: %d, %v", n, err)
			}
		})
	}
	wg.Wait()
	all, err := s.ListRecords(ctx, brigade.KindDelivery, brigade.RecordQuery{Limit: 1000})
	must(t, err)
	if want := 8*39 + 1; len(all) != want {
		t.Errorf("%d records are left, want %d", len(all), want)
	}
}
