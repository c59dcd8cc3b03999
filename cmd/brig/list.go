package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

// printing is how cells for people are written.
type printing struct {
	now   time.Time
	times string // relative, absolute or utc; "" is relative
}

// ways to write times.
var timeWays = []string{"relative", "absolute", "utc"}

// ago writes when t was; "" for no time.
func (p printing) ago(t time.Time) string {
	if p.times == "" || p.times == "relative" {
		return tui.Age(t, p.now)
	}
	return p.at(t)
}

// at writes t as a moment, whatever is asked for.
func (p printing) at(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case p.times == "utc":
		return t.UTC().Format(time.RFC3339)
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// column is a column of a table. A head that begins with ">" is one of numbers.
type column[T any] struct {
	head string
	more bool // only with --columns
	of   func(p printing, v T) string
}

func (c column[T]) name() string { return strings.TrimPrefix(c.head, ">") }

// columns are how a list of T is printed.
type columns[T any] struct {
	name   func(v T) string // what -o name prints, by which other commands take it
	object func(v T) any    // what -o json and -o yaml print; nil: the item itself
	all    []column[T]
}

// objects are what -o json and -o yaml print of items.
func (c columns[T]) objects(items []T) []any {
	list := make([]any, len(items))
	for i, v := range items {
		list[i] = v
		if c.object != nil {
			list[i] = c.object(v)
		}
	}
	return list
}

func (c columns[T]) names() []string {
	names := make([]string, len(c.all))
	for i := range c.all {
		names[i] = c.all[i].name()
	}
	return names
}

// chosen are the columns of that names; the usual ones for none.
func (c columns[T]) chosen(names []string) ([]column[T], error) {
	var list []column[T]
	if len(names) == 0 {
		for _, col := range c.all {
			if !col.more {
				list = append(list, col)
			}
		}
		return list, nil
	}
	plain := strings.NewReplacer(" ", "", "-", "", "_", "")
	same := func(a, b string) bool { return strings.EqualFold(plain.Replace(a), plain.Replace(b)) }
	for _, name := range names {
		i := slices.IndexFunc(c.all, func(col column[T]) bool { return same(col.name(), name) })
		if i < 0 {
			return nil, brigade.Errorf(brigade.CodeUsage, "there is no column %q", name).WithHint("there are %s", strings.Join(c.names(), ", "))
		}
		list = append(list, c.all[i])
	}
	return list, nil
}

// listFlags are the flags of commands that list something.
type listFlags struct {
	output, times string
	columns       []string
	watch         bool
}

// addListFlags adds -o, --columns and --time.
func addListFlags[T any](cmd *cobra.Command, s *State, f *listFlags, cols columns[T]) {
	fl := cmd.Flags()
	outputFlag(cmd, &f.output)
	fl.StringSliceVar(&f.columns, "columns", nil, "`names` of the columns of the table: "+strings.Join(cols.names(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("columns", func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return completeColumns(cols.names(), word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	timeFlag(cmd, &f.times)
	beforeRun(cmd, func() error {
		_, err := cols.chosen(f.columns)
		return err
	})
}

// timeFlag adds --time.
func timeFlag(cmd *cobra.Command, times *string) {
	cmd.Flags().StringVar(times, "time", "relative", "how times are shown to people: relative, absolute, utc")
	_ = cmd.RegisterFlagCompletionFunc("time", cobra.FixedCompletions(timeWays, cobra.ShellCompDirectiveNoFileComp))
	beforeRun(cmd, func() error {
		if !slices.Contains(timeWays, *times) {
			return brigade.Errorf(brigade.CodeUsage, "--time cannot be %q", *times).WithHint("use one of %s", strings.Join(timeWays, ", "))
		}
		return nil
	})
}

// beforeRun adds a check of a command's flags to those it has.
func beforeRun(cmd *cobra.Command, check func() error) {
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, argv []string) error {
		if before != nil {
			if err := before(cmd, argv); err != nil {
				return err
			}
		}
		return check()
	}
}

// completeColumns completes the last of several names with commas between.
func completeColumns(names []string, word string) []string {
	done, last := "", word
	if i := strings.LastIndex(word, ","); i >= 0 {
		done, last = word[:i+1], word[i+1:]
	}
	used := strings.Split(strings.ToUpper(done), ",")
	var list []string
	for _, name := range names {
		if strings.HasPrefix(name, strings.ToUpper(last)) && !slices.Contains(used, name) {
			list = append(list, done+name)
		}
	}
	return list
}

// printList prints items as -o says, else as a table.
func printList[T any](s *State, f *listFlags, cols columns[T], items []T) error {
	switch f.output {
	case "json":
		return writeJSON(s.Stdout, cols.objects(items))
	case "yaml":
		return writeYAML(s.Stdout, cols.objects(items))
	case "name":
		for _, v := range items {
			if _, err := fmt.Fprintln(s.Stdout, tui.Clean(cols.name(v), false)); err != nil {
				return err
			}
		}
		return nil
	}
	table, chosen, err := newTable(f, cols)
	if err != nil {
		return err
	}
	addRows(s, f, table, chosen, items)
	return table.Write(s.Stdout)
}

func newTable[T any](f *listFlags, cols columns[T]) (*tui.Table, []column[T], error) {
	chosen, err := cols.chosen(f.columns)
	if err != nil {
		return nil, nil, err
	}
	heads := make([]string, len(chosen))
	for i, c := range chosen {
		heads[i] = c.head
	}
	return tui.NewTable(heads...), chosen, nil
}

func addRows[T any](s *State, f *listFlags, table *tui.Table, chosen []column[T], items []T) {
	p := printing{now: s.Now(), times: f.times}
	for _, v := range items {
		cells := make([]string, len(chosen))
		for i, c := range chosen {
			cells[i] = c.of(p, v)
		}
		table.Add(cells...)
	}
}

// watchFlag adds --watch.
func watchFlag(cmd *cobra.Command, f *listFlags) {
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "go on, and print what is new or has changed")
}

// How often a list is read again while it is watched: where something tells of
// changes, it is only for what that does not tell.
const (
	watchEvery  = time.Second
	watchSafely = 15 * time.Second
	watchGather = 200 * time.Millisecond
)

// showList prints what list returns, and with --watch what changes of it.
func showList[T any](ctx context.Context, s *State, b *backend, f *listFlags, cols columns[T], list func(context.Context) ([]T, error)) error {
	items, err := list(ctx)
	if err != nil {
		return err
	}
	if !f.watch {
		return printList(s, f, cols, items)
	}
	w := &listWatch[T]{s: s, f: f, cols: cols, seen: map[string]string{}}
	if w.table, w.chosen, err = newTable(f, cols); err != nil {
		return err
	}
	if err := w.print(items); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	changed := b.changes(ctx)
	every := watchEvery
	if b.feed != nil {
		every = watchSafely
	}
	for {
		if !untilChanged(ctx, changed, every) {
			if brigade.CodeOf(context.Cause(ctx)) == brigade.CodeCanceled {
				s.exit = brigade.ExitCanceled
				return nil
			}
			return context.Cause(ctx)
		}
		items, err := list(ctx)
		if ctx.Err() != nil {
			continue
		}
		if err != nil && brigade.CodeOf(err) != brigade.CodeUnavailable { // it may come back
			return err
		}
		if err := w.print(items); err != nil {
			return err
		}
	}
}

// untilChanged waits until something has changed, or may have; it reports
// false when ctx has ended.
func untilChanged(ctx context.Context, changed <-chan struct{}, every time.Duration) bool {
	tick := time.NewTimer(every)
	defer tick.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-tick.C:
		return true
	case <-changed:
	}
	tick.Reset(watchGather) // changes seldom come alone
	select {
	case <-ctx.Done():
		return false
	case <-tick.C:
		return true
	}
}

// changes is sent something when a build or a job changes, until ctx ends.
// Without a feed nothing is.
func (b *backend) changes(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	if b.feed == nil {
		return changed
	}
	tell := func() {
		select {
		case changed <- struct{}{}:
		default: // it is told already
		}
	}
	go func() {
		for ctx.Err() == nil {
			_ = b.feed.Watch(ctx, "", func(brigade.Change) { tell() }) // the list itself says what is wrong
			select {
			case <-ctx.Done():
			case <-time.After(watchEvery):
				tell()
			}
		}
	}()
	return changed
}

// listWatch prints those items of lists that differ from what was printed.
type listWatch[T any] struct {
	s      *State
	f      *listFlags
	cols   columns[T]
	table  *tui.Table
	chosen []column[T]
	seen   map[string]string // by name: as JSON
	begun  bool
}

func (w *listWatch[T]) print(items []T) error {
	fresh := []T{}
	var lines [][]byte
	for i, object := range w.cols.objects(items) {
		v := items[i]
		data, err := json.Marshal(object)
		if err != nil {
			return err
		}
		if name := w.cols.name(v); w.seen[name] != string(data) {
			w.seen[name] = string(data)
			fresh, lines = append(fresh, v), append(lines, data)
		}
	}
	if len(fresh) == 0 && w.begun {
		return nil
	}
	w.begun = true
	switch w.f.output {
	case "json": // one object per line
		for _, line := range lines {
			if _, err := fmt.Fprintf(w.s.Stdout, "%s\n", line); err != nil {
				return err
			}
		}
		return nil
	case "yaml":
		for _, v := range w.cols.objects(fresh) {
			fmt.Fprintln(w.s.Stdout, "---")
			if err := writeYAML(w.s.Stdout, v); err != nil {
				return err
			}
		}
		return nil
	case "name":
		return printList(w.s, w.f, w.cols, fresh)
	}
	addRows(w.s, w.f, w.table, w.chosen, fresh)
	return w.table.Write(w.s.Stdout)
}

func yesNo(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}
