package cluster

import (
	"context"
	"log/slog"
	"sync/atomic"

	"k8s.io/klog/v2"
)

// libraries takes what the Kubernetes libraries log on their own account: they
// have one logger for the whole process, and write to stderr without it. It
// passes all on to the log of the connection that was opened last.
var libraries = newLibraryLog()

// newLibraryLog is called before the program starts, because the libraries'
// logger must not be changed once they are at work.
func newLibraryLog() *libraryLog {
	l := &libraryLog{}
	klog.SetSlogLogger(slog.New(l))
	return l
}

type libraryLog struct{ to atomic.Pointer[slog.Logger] }

func (l *libraryLog) handler() slog.Handler {
	if log := l.to.Load(); log != nil {
		return log.Handler()
	}
	return slog.DiscardHandler
}

// Enabled reports whether somebody wants a record: those below a warning are
// for people who debug the library.
func (l *libraryLog) Enabled(ctx context.Context, level slog.Level) bool {
	return l.handler().Enabled(ctx, demoted(level))
}

// Handle passes a record on as one for debugging.
func (l *libraryLog) Handle(ctx context.Context, r slog.Record) error {
	r.Level = demoted(r.Level)
	return l.handler().Handle(ctx, r)
}

// demoted is the level of a library's record: what matters to an operator, this
// package says itself.
func demoted(level slog.Level) slog.Level { return min(level-4, slog.LevelInfo) }

// WithAttrs drops the attributes of the libraries' loggers: the log they end
// in may be another one by then.
func (l *libraryLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup drops the group.
func (l *libraryLog) WithGroup(string) slog.Handler { return l }
