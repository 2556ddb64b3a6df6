// Package residency keeps the weights of a model within a budget of memory that is smaller than
// they are: [NewPlan] tells what a budget would do, [New] does it.
package residency
