/**
 * What a run keeps on storage while it goes on, and whose it is: the work folder, its parts and unfinished outputs.
 *
 * <p>Start at {@link io.sparkgguf.job.work.WorkRun}.
 */
package io.sparkgguf.job.work;
