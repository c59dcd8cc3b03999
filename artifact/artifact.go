// Package artifact keeps the files that jobs leave behind. A store of them is
// one of its subfolders: dir, a directory of this machine, or s3, a bucket of
// an S3-compatible service. Every store passes artifacttest.
//
// Artifacts belong to a job of a build and are named by a path relative to the
// job's mountPath, with forward slashes. They are written once, read whole or
// in ranges, and go with their build.
package artifact

import (
	"context"
	"io"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/brigadecore/brigade/v3"
)

// Store keeps artifacts. All methods may be called concurrently.
type Store interface {
	// PutArtifact reads content to its end and keeps it. What it has answered
	// nil to survives a crash of the machine; before that nobody sees any of
	// it. An artifact of that name is replaced. A name that Check refuses is
	// CodeInvalid; CodeStore when there is no room for it.
	PutArtifact(ctx context.Context, buildID, jobID, name string, content io.Reader) error
	// OpenArtifact opens one, for the caller to close. ctx covers the reading
	// too. CodeNotFound when it is not there.
	OpenArtifact(ctx context.Context, buildID, jobID, name string) (*File, error)
	// ListArtifacts returns the artifacts of a build, by job and name. An
	// unknown build has none.
	ListArtifacts(ctx context.Context, buildID string) ([]Info, error)
	// DeleteArtifacts removes all artifacts of a build. An unknown build is no
	// error.
	DeleteArtifacts(ctx context.Context, buildID string) error
}

// Info is what a store knows of an artifact without reading it.
type Info struct {
	JobID    string    `json:"jobID"`
	Name     string    `json:"name"`
	Size     int64     `json:"size"` // bytes
	Modified time.Time `json:"modified"`
}

// File is an open artifact, as net/http.ServeContent likes it. Seeking costs
// nothing; reading after it begins there.
type File struct {
	io.ReadSeekCloser
	Info
}

// MaxName is the longest name an artifact may have, in bytes.
const MaxName = 900

// Check reports, as an Error of CodeInvalid, why an artifact of a job cannot be
// kept under a name: a name is a clean relative path of valid UTF-8 that leads
// nowhere else, and the IDs are not empty, hold no slash and no dots only.
func Check(buildID, jobID, name string) error {
	for _, id := range []string{buildID, jobID} {
		if err := CheckID(id); err != nil {
			return err
		}
	}
	switch {
	case name == "" || name == ".":
		return brigade.Errorf(brigade.CodeInvalid, "an artifact needs a name")
	case len(name) > MaxName:
		return brigade.Errorf(brigade.CodeInvalid, "the artifact's name %.40q… is longer than %d bytes", name, MaxName)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return brigade.Errorf(brigade.CodeInvalid, "the artifact's name %q is not a text", name)
	case path.Clean(name) != name || path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../"):
		return brigade.Errorf(brigade.CodeInvalid, "the artifact's name %q is not a path below the job's mountPath", name)
	}
	return nil
}

// CheckID does that for the ID of a build or a job.
func CheckID(id string) error {
	if strings.Trim(id, ".") == "" || len(id) > 200 || !utf8.ValidString(id) || strings.ContainsAny(id, "/\x00") {
		return brigade.Errorf(brigade.CodeInvalid, "%.60q is not the ID of a build or job", id)
	}
	return nil
}

// NotFound is the error of every store for an artifact that is not there.
func NotFound(name string) error {
	return brigade.NotFound("artifact", name).WithHint("list the artifacts of the build to see their names")
}
