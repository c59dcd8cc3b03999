package store

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// AppendLog adds lines of one log.
func (s *Store) AppendLog(ctx context.Context, lines []brigade.LogLine) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.inner.AppendLog(ctx, lines)
}

// ReadLog returns lines in order: those that were written down, and when there
// are none, those that the pod has, as long as it is there.
func (s *Store) ReadLog(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	if err := s.needJobs(ctx, q.BuildID); err != nil {
		return nil, err
	}
	lines, err := s.inner.ReadLog(ctx, q)
	if err != nil || len(lines) > 0 {
		return lines, err
	}
	pod := s.podOf(q.BuildID, q.JobID)
	if pod == nil {
		return nil, nil
	}
	b, err := s.inner.Build(ctx, q.BuildID)
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		return nil, nil // an unknown log is empty
	}
	if err != nil {
		return nil, err
	}
	kept, err := s.inner.ReadLog(ctx, brigade.LogQuery{BuildID: q.BuildID, JobID: q.JobID, Tail: 1})
	if err != nil || len(kept) > 0 {
		return nil, err
	}
	if s.isRun(ctx, b.ID) && !(pod.job && (pod.byWorker || pod.ended)) {
		return nil, nil // whoever runs it writes it down
	}
	all, err := s.podLog(ctx, b, q, pod)
	if err != nil {
		return nil, err
	}
	if b.State.Ended() && pod.ended && len(all) > 0 {
		if err := s.inner.AppendLog(ctx, all); err != nil { // it is there from now on, also without the pod
			s.log.Warn("a pod's log could not be kept", "pod", pod.name, "err", err)
		}
	}
	return selectLines(all, q), nil
}

// podOf is the pod that prints a log.
func (s *Store) podOf(buildID, jobID string) *podEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[buildID]
	if e == nil {
		return nil
	}
	name := jobID
	if jobID == "" {
		name = e.secret
	}
	if p := s.pods[name]; p != nil && p.build == buildID {
		return p
	}
	return nil
}

// podLog reads a pod's log with secrets masked, cut at the cap of every log.
func (s *Store) podLog(ctx context.Context, b *brigade.Build, q brigade.LogQuery, pod *podEntry) ([]brigade.LogLine, error) {
	container, base := objects.ContainerWorker, int64(0)
	if q.JobID != "" {
		container = objects.ContainerJob
		if j, err := s.inner.Job(ctx, q.JobID); err == nil {
			base = j.LogFrom
		}
	}
	most := int64(brigade.DefaultLogCap)
	stream, err := s.client.PodLog(ctx, pod.ns, pod.name, &corev1.PodLogOptions{Container: container, Timestamps: true, LimitBytes: &most})
	if apierrors.IsNotFound(err) || apierrors.IsBadRequest(err) { // gone meanwhile, or its container has not started
		return nil, nil
	}
	if err != nil {
		return nil, cluster.Error(err)
	}
	defer stream.Close()
	secrets := mask.PayloadSecrets(b.Event.Payload)
	if p, err := s.Project(ctx, b.ProjectID); err == nil {
		secrets = append(secrets, p.SecretValues()...)
	}
	masker := mask.New(secrets)
	var lines []brigade.LogLine
	in := bufio.NewReaderSize(stream, brigade.MaxLineBytes)
	for {
		text, err := in.ReadString('\n')
		if text != "" {
			at, text := splitTime(strings.TrimSuffix(text, "\n"))
			for _, part := range cutLine(masker.String(text)) {
				lines = append(lines, brigade.LogLine{
					BuildID: q.BuildID, JobID: q.JobID, Seq: base + int64(len(lines)) + 1, Time: at, Text: part,
				})
			}
		}
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, cluster.Error(err)
		}
	}
}

// splitTime takes the time off that the kubelet puts before each line.
func splitTime(line string) (time.Time, string) {
	stamp, text, ok := strings.Cut(line, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return time.Time{}, line
	}
	if !ok {
		text = ""
	}
	return at.UTC(), strings.TrimSuffix(text, "\r")
}

// cutLine cuts a line into pieces that a LogLine can hold.
func cutLine(text string) []string {
	var parts []string
	for len(text) > brigade.MaxLineBytes {
		parts = append(parts, text[:brigade.MaxLineBytes])
		text = text[brigade.MaxLineBytes:]
	}
	return append(parts, text)
}

// selectLines is what q asks for of a whole log.
func selectLines(lines []brigade.LogLine, q brigade.LogQuery) []brigade.LogLine {
	for len(lines) > 0 && lines[0].Seq <= q.After {
		lines = lines[1:]
	}
	if q.Tail > 0 && len(lines) > q.Tail {
		lines = lines[len(lines)-q.Tail:]
	}
	if q.Limit > 0 && len(lines) > q.Limit {
		lines = lines[:q.Limit]
	}
	return lines
}
