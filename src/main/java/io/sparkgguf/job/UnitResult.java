package io.sparkgguf.job;

import io.sparkgguf.quant.ErrorStats;
import java.io.Serializable;

/**
 * What a task tells of a work unit that it finished.
 *
 * @param unit the unit's id
 * @param part the name of the file, in the folder of parts, that has the result's bytes; null when they are in the output
 * @param digest xxHash64 of the result's bytes
 * @param error the result, decoded, against the source
 * @param nonFinite weights that were NaN or infinite and were taken as zero
 * @param readNanos wall time spent reading
 * @param encodeNanos wall time spent encoding, all kernels included, and the digest
 * @param writeNanos wall time spent writing
 */
record UnitResult(
        int unit,
        String part,
        long digest,
        ErrorStats error,
        long nonFinite,
        long readNanos,
        long encodeNanos,
        long writeNanos)
        implements Serializable {}
