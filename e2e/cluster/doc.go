// Package cluster starts a real Kubernetes for tests and for people who have
// none: the control plane as an ordinary user, in seconds, several side by
// side, each with an etcd and a certificate authority of its own. It is built
// from its Go modules, once, into a cache. Its nodes are either fake ones,
// which run nothing and hold thousands of pods, or a real one, with Debian's
// containerd and runc, for root.
//
//	c := cluster.Shared(t)       // one for all tests of a package
//	ns := c.Namespace(t)         // deleted when the test ends
//	c.FakeNode(t, cluster.FakeNodeOptions{})
//	c.Kubectl(t, "-n", ns, "run", "hello", "--image=x")
//
// Nothing is left behind: all processes end with the one that started them,
// however that ends, and their files with them.
package cluster
