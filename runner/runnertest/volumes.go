package runnertest

import (
	"os"
	"path/filepath"

	brigade "github.com/brigadecore/brigade/v3"
)

func volumeTests() []test {
	return []test{
		{"EmptyDir", both(func(f Features) bool { return f.EmptyDir }), emptyDir},
		{"SubPathAndReadOnly", both(func(f Features) bool { return f.EmptyDir }), subPathAndReadOnly},
		{"HostPath", both(func(f Features) bool { return f.HostPath }), hostPath},
		{"HostPathReadOnly", both(func(f Features) bool { return f.HostPath }), hostPathReadOnly},
		{"HostPathMissing", both(func(f Features) bool { return f.HostPath }), hostPathMissing},
	}
}

func emptyDir(h *harness) {
	spec := h.spec("empty-dir", "ls -A /scratch", "echo x > /scratch/file", "cat /second/place/file")
	spec.Volumes = []brigade.Volume{{Name: "scratch", EmptyDir: &brigade.EmptyDir{}}}
	spec.VolumeMounts = []brigade.VolumeMount{{Name: "scratch", MountPath: "/scratch"}, {Name: "scratch", MountPath: "/second/place"}}
	for range 2 { // the second time it is empty again
		h.wantOutput(spec, "", "x\n")
	}
	spec.Volumes[0].EmptyDir.Medium = "Memory"
	h.wantOutput(spec, "", "x\n")
}

func subPathAndReadOnly(h *harness) {
	spec := h.spec("sub-path", "echo x > /whole/part/file", "cat /part/file", "if ( echo y > /part/other ) 2> /dev/null; then echo written; else echo refused; fi", "ls /whole")
	spec.Volumes = []brigade.Volume{{Name: "v", EmptyDir: &brigade.EmptyDir{}}}
	spec.VolumeMounts = []brigade.VolumeMount{
		{Name: "v", MountPath: "/whole"},
		{Name: "v", MountPath: "/part", SubPath: "part", ReadOnly: true},
	}
	h.wantOutput(spec, "", "x\nrefused\npart\n")

	for _, bad := range []string{"../outside", "/absolute", "a/../../b"} {
		spec.VolumeMounts[1].SubPath = bad
		h.refused(spec, brigade.CodeJobStart, "subPath")
	}
}

func (h *harness) hostMount(name string, tasks ...string) (brigade.JobSpec, string) {
	root := h.tree(map[string]string{"file": "from the host\n", "sub/inner": "inner\n"})
	spec := h.spec(name, tasks...)
	spec.Volumes = []brigade.Volume{{Name: "host", HostPath: &brigade.HostPath{Path: root}}}
	spec.VolumeMounts = []brigade.VolumeMount{{Name: "host", MountPath: "/from/host"}}
	return spec, root
}

func hostPath(h *harness) {
	spec, root := h.hostMount("host-path", "cat /from/host/file", "echo by the job > /from/host/new", "cat /inner/inner")
	spec.VolumeMounts = append(spec.VolumeMounts, brigade.VolumeMount{Name: "host", MountPath: "/inner", SubPath: "sub"})
	h.wantOutput(spec, "", "from the host\ninner\n")
	if text, err := os.ReadFile(filepath.Join(root, "new")); err != nil || string(text) != "by the job\n" {
		h.Errorf("the host sees %q, error %v", text, err)
	}
}

func hostPathReadOnly(h *harness) {
	spec, root := h.hostMount("host-ro", "cat /from/host/file", "if ( echo x > /from/host/new ) 2> /dev/null; then echo written; else echo refused; fi")
	spec.VolumeMounts[0].ReadOnly = true
	h.wantOutput(spec, "", "from the host\nrefused\n")
	if _, err := os.Stat(filepath.Join(root, "new")); err == nil {
		h.Error("the job wrote to the host through a read-only mount")
	}
}

func hostPathMissing(h *harness) {
	spec, root := h.hostMount("host-missing", "echo never")
	spec.Volumes[0].HostPath = &brigade.HostPath{Path: filepath.Join(root, "missing"), Type: "Directory"}
	h.refused(spec, brigade.CodeJobStart, "missing")
}
