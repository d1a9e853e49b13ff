/**
 * What a run will do, before it reads a weight: the layout of every output file, the work units with their memory and
 * cost, largest first.
 *
 * <p>Start at {@link io.sparkgguf.plan.Planner}; a {@link io.sparkgguf.plan.WorkUnit} is what a task gets.
 */
package io.sparkgguf.plan;
