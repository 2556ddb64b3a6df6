// Package residency runs a model whose weights are larger than a memory budget: some tensors stay
// resident, the others are streamed from the file for each evaluation. [NewPlan] computes what a
// budget would do, [New] does it.
package residency
