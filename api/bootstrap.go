package api

import (
	"context"
	"encoding/json"
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
	secret, made, err := KeepToken(ctx, records, strings.TrimSpace(string(text)), Token{Name: "local", Scopes: []Scope{ScopeAdmin}, CreatedBy: "first start"}, now)
	if err != nil {
		return "", fmt.Errorf("make the first token: %w", err)
	}
	if made == "" {
		return "", os.Chmod(path, 0o600)
	}
	if err := writeSecretFile(path, secret+"\n"); err != nil {
		_, forget := records.DeleteRecords(ctx, KindToken, made, true) // nobody has it
		return "", errors.Join(fmt.Errorf("write the token file: %w", err), forget)
	}
	return made, nil
}

// KeepToken returns a token that does what t says: the one in text when that is
// known, else a new one. made is the ID of a new one, else "".
func KeepToken(ctx context.Context, records brigade.Records, text string, t Token, now time.Time) (secret, made string, err error) {
	if text != "" {
		known, err := knowsToken(ctx, records, text)
		if err != nil || known {
			return text, "", err
		}
	}
	t, secret, err = NewToken(ctx, records, t, now)
	return secret, t.ID, err
}

// ReplaceTokens forgets the tokens with t's name and maker, other than the one
// with the ID kept: they were lost.
func ReplaceTokens(ctx context.Context, records brigade.Records, t Token, kept string) error {
	for before := ""; ; {
		page, err := records.ListRecords(ctx, KindToken, brigade.RecordQuery{Before: before, Limit: 1000})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			before = r.Key
			var old Token
			if json.Unmarshal(r.Data, &old) != nil || r.Key == kept || old.Name != t.Name || old.CreatedBy != t.CreatedBy {
				continue
			}
			if _, err := records.DeleteRecords(ctx, KindToken, r.Key, true); err != nil {
				return err
			}
		}
	}
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
