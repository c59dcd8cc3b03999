package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// Bootstrap sees to it that the file at path holds a token with which the user
// of this machine may do everything. A token that is there and known stays;
// else a new one is made, in a file that only the user can read. It returns
// the ID of a token that it made, else "".
func Bootstrap(ctx context.Context, records brigade.Records, path string, now time.Time) (made string, err error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the token file: %w", err)
	}
	if err == nil {
		known, err := knowsToken(ctx, records, strings.TrimSpace(string(text)))
		if err != nil || known {
			return "", errors.Join(err, os.Chmod(path, 0o600))
		}
	}
	t, secret, err := NewToken(ctx, records, Token{Name: "local", Scopes: []Scope{ScopeAdmin}, CreatedBy: "first start"}, now)
	if err != nil {
		return "", fmt.Errorf("make the first token: %w", err)
	}
	if err := writeSecretFile(path, secret+"\n"); err != nil {
		_, forget := records.DeleteRecords(ctx, KindToken, t.ID, true) // nobody has it
		return "", errors.Join(fmt.Errorf("write the token file: %w", err), forget)
	}
	return t.ID, nil
}

// knowsToken reports whether the token would be accepted.
func knowsToken(ctx context.Context, records brigade.Records, text string) (bool, error) {
	a := API{opt: Options{Records: records, Now: time.Now}, used: newLastUsed()}
	a.used.noted[strings.Split(strings.TrimPrefix(text, tokenPrefix), "_")[0]] = time.Now() // it is not used
	_, err := a.checkToken(ctx, text)
	if brigade.CodeOf(err) == brigade.CodeDenied {
		return false, nil
	}
	return err == nil, err
}

// writeSecretFile puts a file in place as a whole; only its owner can read it
// from the first byte on.
func writeSecretFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
