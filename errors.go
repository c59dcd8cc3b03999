package brigade

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Code names a kind of failure. It is stable: programs may match on it.
type Code string

// The codes, each with its HTTP status and exit code in codeTable.
const (
	CodeBuildFailed   Code = "build_failed"     // the script ran and failed, or a job of it did
	CodeUsage         Code = "usage"            // a flag, argument or input file is wrong
	CodeInvalid       Code = "invalid"          // a value breaks a rule of the product
	CodeScriptLoad    Code = "script_load"      // the script could not be found, parsed or loaded
	CodeModule        Code = "module_not_found" // a module the script imports does not exist
	CodeDependency    Code = "dependency"       // an npm dependency cannot be resolved or verified
	CodeScriptLimit   Code = "script_limit"     // the script went over its memory, time or size limit
	CodeScriptCrashed Code = "script_crashed"   // the process that ran the script ended unexpectedly
	CodeJobForbidden  Code = "job_forbidden"    // a project setting forbids what the job asks for
	CodeJobStart      Code = "job_start"        // the runner could not start the job
	CodeImagePull     Code = "image_pull"       // the job's image cannot be had
	CodeJobTimeout    Code = "job_timeout"      // the job went over its timeout
	CodeJobLost       Code = "job_lost"         // what ran the job is gone and nobody knows its result
	CodeNotFound      Code = "not_found"        // no such project, build or job
	CodeConflict      Code = "conflict"         // it exists already, or somebody changed it meanwhile
	CodeUnavailable   Code = "unavailable"      // an engine, server or cluster cannot be reached
	CodeSource        Code = "source"           // the project's files cannot be fetched
	CodeDenied        Code = "denied"           // the credentials do not allow it
	CodeTooLarge      Code = "too_large"        // over a size limit
	CodeLimited       Code = "rate_limited"     // over a rate limit
	CodeCanceled      Code = "canceled"         // somebody canceled it
	CodeStore         Code = "store"            // the store failed
	CodeInternal      Code = "internal"         // a bug, or something nobody foresaw
)

// Exit codes of the program. They are part of the contract with scripts that
// call brig, and are listed by `brig help exit-codes`.
const (
	ExitOK          = 0
	ExitBuildFailed = 1
	ExitUsage       = 2
	ExitScript      = 3
	ExitNotFound    = 4
	ExitConflict    = 5
	ExitUnavailable = 6
	ExitDenied      = 7
	ExitStore       = 8
	ExitInternal    = 70
	ExitCanceled    = 130
)

type codeRow struct{ http, exit int }

var codeTable = map[Code]codeRow{
	CodeBuildFailed:   {http.StatusUnprocessableEntity, ExitBuildFailed},
	CodeUsage:         {http.StatusBadRequest, ExitUsage},
	CodeInvalid:       {http.StatusBadRequest, ExitUsage},
	CodeScriptLoad:    {http.StatusUnprocessableEntity, ExitScript},
	CodeModule:        {http.StatusUnprocessableEntity, ExitScript},
	CodeDependency:    {http.StatusUnprocessableEntity, ExitScript},
	CodeScriptLimit:   {http.StatusUnprocessableEntity, ExitBuildFailed},
	CodeScriptCrashed: {http.StatusUnprocessableEntity, ExitBuildFailed},
	CodeJobForbidden:  {http.StatusUnprocessableEntity, ExitBuildFailed},
	CodeJobStart:      {http.StatusUnprocessableEntity, ExitBuildFailed},
	CodeImagePull:     {http.StatusUnprocessableEntity, ExitBuildFailed},
	CodeJobTimeout:    {http.StatusUnprocessableEntity, ExitBuildFailed},
	CodeJobLost:       {http.StatusUnprocessableEntity, ExitBuildFailed},
	CodeNotFound:      {http.StatusNotFound, ExitNotFound},
	CodeConflict:      {http.StatusConflict, ExitConflict},
	CodeUnavailable:   {http.StatusServiceUnavailable, ExitUnavailable},
	CodeSource:        {http.StatusUnprocessableEntity, ExitUnavailable},
	CodeDenied:        {http.StatusForbidden, ExitDenied},
	CodeTooLarge:      {http.StatusRequestEntityTooLarge, ExitUsage},
	CodeLimited:       {http.StatusTooManyRequests, ExitUnavailable},
	CodeCanceled:      {http.StatusConflict, ExitCanceled},
	CodeStore:         {http.StatusInternalServerError, ExitStore},
	CodeInternal:      {http.StatusInternalServerError, ExitInternal},
}

// HTTPStatus is the status an HTTP answer about this code carries.
func (c Code) HTTPStatus() int {
	if row, ok := codeTable[c]; ok {
		return row.http
	}
	return http.StatusInternalServerError
}

// ExitCode is the exit code of a program that ends because of this code.
func (c Code) ExitCode() int {
	if row, ok := codeTable[c]; ok {
		return row.exit
	}
	return ExitInternal
}

// Codes returns every code, for documentation and tests.
func Codes() []Code {
	all := make([]Code, 0, len(codeTable))
	for c := range codeTable {
		all = append(all, c)
	}
	return all
}

// Error is a failure as a person sees it: a code for programs, a plain
// sentence, and a hint what to do next. Err is the cause, for operators; it is
// never shown unless asked for.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Err     error  `json:"-"`
}

// Error returns the message, followed by the cause when the message does not
// hold it already.
func (e *Error) Error() string {
	if e.Err == nil || strings.Contains(e.Message, e.Err.Error()) {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error with the same code and no message,
// so that errors.Is(err, &Error{Code: CodeNotFound}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == ""
}

// Errorf makes an Error without a hint. A %w verb sets its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns a copy of e that carries the hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// CodeOf returns the code of the first Error in err's chain, CodeInternal for
// any other error and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// NotFound is the error of every store and client for a thing that is missing.
func NotFound(noun, name string) *Error {
	return Errorf(CodeNotFound, "there is no %s %q", noun, name)
}
