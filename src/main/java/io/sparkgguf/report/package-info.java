/**
 * What a run did: the records of the JSON report, and their reading and writing.
 *
 * <p>Computes nothing. Start at {@link io.sparkgguf.report.Report}.
 */
package io.sparkgguf.report;
