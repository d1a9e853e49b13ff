package io.sparkgguf.job;

import io.sparkgguf.format.imatrix.Importance;
import io.sparkgguf.plan.ImportanceSource;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.ErrorStats;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;

/**
 * Does one work unit: reads its ranges, decodes, puts rows in order, encodes, measures the error, and writes the result,
 * of which it takes the digest. Works through the rows in slabs that fit a core's cache; holds no more than the plan says.
 */
final class UnitRunner implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Storage storage;
    private final UnitPlace place;
    private final boolean allowNonFinite;

    /**
     * @param place where results go
     * @param allowNonFinite take NaN and infinite weights as zero and count them, instead of refusing
     */
    UnitRunner(Storage storage, UnitPlace place, boolean allowNonFinite) {
        this.storage = storage;
        this.place = place;
        this.allowNonFinite = allowNonFinite;
    }

    UnitResult run(WorkUnit unit) throws IOException {
        Attempt work = new Attempt(unit);
        String part = place.write(unit, work::run);
        return work.result(part);
    }

    /** One attempt at a unit, and its buffers. */
    private final class Attempt {
        private final WorkUnit unit;
        private final BlockFormat target;
        private final boolean bytesOnly;
        private final UnitChecks checks;
        private final Digest digest = new Digest();
        private final ErrorStats error = new ErrorStats();
        private byte[] encoded = new byte[0];
        private float[] decoded = new float[0];
        private long nonFinite;
        private long readNanos;
        private long encodeNanos;
        private long writeNanos;

        Attempt(WorkUnit unit) {
            this.unit = unit;
            target = BlockFormats.of(unit.target());
            checks = new UnitChecks(unit, allowNonFinite);
            bytesOnly = unit.isCopy() && !BlockFormats.of(unit.source()).decodes();
        }

        void run(OutputStream out) throws IOException {
            Buffers buffers = Buffers.take();
            try {
                run(out, buffers);
            } finally {
                buffers.giveBack();
            }
        }

        private void run(OutputStream out, Buffers buffers) throws IOException {
            float[] importance = importance();
            try (SlabReader slabs = new SlabReader(storage, unit, !bytesOnly, buffers)) {
                if (!bytesOnly) {
                    encoded = buffers.encoded(Math.toIntExact(unit.target().bytes(slabs.maxWeights())));
                    decoded = buffers.decoded(slabs.maxWeights());
                }
                while (slabs.next()) {
                    long start = System.nanoTime();
                    boolean asRead = bytesOnly || !encode(slabs, importance);
                    byte[] result = asRead ? slabs.raw() : encoded;
                    int at = asRead ? slabs.rawAt() : 0;
                    int length = Math.toIntExact(unit.target().bytes(slabs.weightCount()));
                    if (bytesOnly) {
                        checks.blocks(result, at, slabs.row(), slabs.weightCount(), "copy");
                    }
                    digest.update(result, at, length);
                    long encodedAt = System.nanoTime();
                    out.write(result, at, length);
                    encodeNanos += encodedAt - start;
                    writeNanos += System.nanoTime() - encodedAt;
                }
                checks.ternary(error);
                readNanos = slabs.readNanos();
            }
        }

        /** Encodes the slab into {@link #encoded}; false when its bytes can be taken as they were read. */
        private boolean encode(SlabReader slabs, float[] importance) {
            float[] weights = slabs.weights();
            int count = slabs.weightCount();
            long taken = checks.clean(weights, count, slabs.row());
            nonFinite += taken;
            if (taken == 0 && unit.isCopy()) {
                checks.blocks(slabs.raw(), slabs.rawAt(), slabs.row(), count, "copy");
                error.add(weights, 0, weights, 0, slabs.rows(), unit.columns());
                return false;
            }
            if (unit.target().isScalar()) {
                target.encode(weights, 0, 1, count, null, 0, encoded, 0);
            } else {
                target.encode(weights, 0, slabs.rows(), unit.columns(), importance, 0, encoded, 0);
            }
            checks.blocks(encoded, 0, slabs.row(), count, "encode");
            target.decode(encoded, 0, count, decoded, 0);
            error.add(weights, 0, decoded, 0, slabs.rows(), unit.columns());
            return true;
        }

        private float[] importance() throws IOException {
            if (unit.importance() == null) {
                return null;
            }
            ImportanceSource from = unit.importance();
            try (RangeReader reader = storage.open(from.entry().file())) {
                return Importance.load(reader, from.entry(), unit.columns(), from.matrix());
            }
        }

        UnitResult result(String part) {
            return new UnitResult(
                    unit.id(), part, digest.value(), error, nonFinite, readNanos, encodeNanos, writeNanos);
        }
    }
}
