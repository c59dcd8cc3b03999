package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StorageClass is the default class of volumes: directories of this machine,
// which many pods may share.
const StorageClass = "standard"

const provisioner = "brigade.sh/directory"

// provideVolumes makes the default storage class, and a volume for each claim.
func (c *Cluster) provideVolumes(ctx context.Context) error {
	client, err := c.restFor(classes)
	if err != nil {
		return err
	}
	class := &storage.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: StorageClass, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: provisioner,
	}
	if err := create(ctx, client, "", "storageclasses", class); err != nil {
		return fmt.Errorf("make the storage class: %w", err)
	}
	if err := c.follow(c.ctx, "persistentvolumeclaims", "", &corev1.PersistentVolumeClaim{}, handle(c.claimed)); err != nil {
		return err
	}
	return c.follow(c.ctx, "persistentvolumes", "", &corev1.PersistentVolume{}, handle(c.released))
}

// claimed makes the volume that a claim waits for. One that cannot be made
// leaves the claim pending, as it is with any provisioner.
func (c *Cluster) claimed(claim *corev1.PersistentVolumeClaim, gone bool) {
	class := claim.Spec.StorageClassName
	if gone || class == nil || *class != StorageClass || claim.Spec.VolumeName != "" {
		return
	}
	name := "pvc-" + string(claim.UID)
	dir := filepath.Join(c.Dir, "volumes", name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return
	}
	if err := os.Chmod(dir, 0o777); err != nil { // whoever the umask keeps out
		return
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": provisioner}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes, VolumeMode: claim.Spec.VolumeMode,
			StorageClassName: StorageClass, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			ClaimRef:               &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir}},
		},
	}
	_ = create(c.ctx, c.admin, "", "persistentvolumes", volume) // or it is there already
}

// released removes a volume whose claim is gone.
func (c *Cluster) released(volume *corev1.PersistentVolume, gone bool) {
	if !gone && (volume.Status.Phase != corev1.VolumeReleased || volume.Annotations["pv.kubernetes.io/provisioned-by"] != provisioner) {
		return
	}
	if !gone {
		_ = c.admin.Delete().Resource("persistentvolumes").Name(volume.Name).Do(c.ctx).Error()
		return
	}
	_ = os.RemoveAll(filepath.Join(c.Dir, "volumes", volume.Name))
}
