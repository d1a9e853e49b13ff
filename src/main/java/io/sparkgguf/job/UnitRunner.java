package io.sparkgguf.job;

import io.sparkgguf.format.imatrix.Importance;
import io.sparkgguf.kernel.Finite;
import io.sparkgguf.plan.ImportanceSource;
import io.sparkgguf.plan.SourceRange;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.ErrorStats;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.util.UUID;

/**
 * Does one work unit: reads its ranges, decodes, puts rows in order, encodes, measures the error, and writes the part
 * with its digest. Works through the rows in slabs that fit a core's cache; holds no more than the plan says.
 */
final class UnitRunner implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Storage storage;
    private final String partFolder;
    private final boolean allowNonFinite;

    /**
     * @param partFolder existing folder that receives the parts
     * @param allowNonFinite take NaN and infinite weights as zero and count them, instead of refusing
     */
    UnitRunner(Storage storage, String partFolder, boolean allowNonFinite) {
        this.storage = storage;
        this.partFolder = partFolder;
        this.allowNonFinite = allowNonFinite;
    }

    /** The file that holds a unit's result. */
    static String partFile(Storage storage, String folder, int unit) {
        return storage.resolve(folder, "unit-%06d".formatted(unit));
    }

    UnitResult run(WorkUnit unit) throws IOException {
        String part = partFile(storage, partFolder, unit.id());
        // A name of its own for each attempt: a retry or a speculative copy writes the same bytes beside it.
        String temporary = part + "." + UUID.randomUUID() + ".tmp";
        Attempt work = new Attempt(unit);
        try {
            try (OutputStream out = storage.create(temporary)) {
                work.run(out);
            }
            storage.rename(temporary, part);
        } catch (IOException | RuntimeException e) {
            try {
                storage.delete(temporary);
            } catch (IOException leftover) {
                e.addSuppressed(leftover);
            }
            throw e;
        }
        return work.result();
    }

    /** One attempt at a unit, and its buffers. */
    private final class Attempt {
        private final WorkUnit unit;
        private final BlockFormat target;
        private final boolean bytesOnly;
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
            bytesOnly = unit.isCopy() && !BlockFormats.of(unit.source()).decodes();
        }

        void run(OutputStream out) throws IOException {
            float[] importance = importance();
            try (SlabReader slabs = new SlabReader(storage, unit, !bytesOnly)) {
                if (!bytesOnly) {
                    encoded = new byte[Math.toIntExact(unit.target().bytes(slabs.maxWeights()))];
                    decoded = new float[slabs.maxWeights()];
                }
                while (slabs.next()) {
                    long start = System.nanoTime();
                    boolean asRead = bytesOnly || !encode(slabs, importance);
                    byte[] result = asRead ? slabs.raw() : encoded;
                    int at = asRead ? slabs.rawAt() : 0;
                    int length = Math.toIntExact(unit.target().bytes(slabs.weightCount()));
                    if (bytesOnly) {
                        checkBlocks(result, at, slabs, "copy");
                    }
                    digest.update(result, at, length);
                    long encodedAt = System.nanoTime();
                    out.write(result, at, length);
                    encodeNanos += encodedAt - start;
                    writeNanos += System.nanoTime() - encodedAt;
                }
                readNanos = slabs.readNanos();
            }
        }

        /** Encodes the slab into {@link #encoded}; false when its bytes can be taken as they were read. */
        private boolean encode(SlabReader slabs, float[] importance) {
            float[] weights = slabs.weights();
            int count = slabs.weightCount();
            if (clean(weights, count, slabs.row()) == 0 && unit.isCopy()) {
                checkBlocks(slabs.raw(), slabs.rawAt(), slabs, "copy");
                error.add(weights, 0, weights, 0, slabs.rows(), unit.columns());
                return false;
            }
            if (unit.target().isScalar()) {
                target.encode(weights, 0, 1, count, null, 0, encoded, 0);
            } else {
                target.encode(weights, 0, slabs.rows(), unit.columns(), importance, 0, encoded, 0);
            }
            checkBlocks(encoded, 0, slabs, "encode");
            target.decode(encoded, 0, count, decoded, 0);
            error.add(weights, 0, decoded, 0, slabs.rows(), unit.columns());
            return true;
        }

        /** Refuses weights that are NaN or infinite, or takes them as zero; returns how many there were. */
        private long clean(float[] weights, int count, int slabRow) {
            long found = 0;
            int from = 0;
            for (int next = Finite.firstNonFinite(weights, 0, count); next >= 0; ) {
                int at = from + next; // the search counts from where it began
                if (!allowNonFinite) {
                    throw new InvalidInputException("Cannot quantize tensor " + unit.name() + ": the weight at "
                            + stored(slabRow, at) + " is " + weights[at]
                            + "; --allow-nonfinite takes such weights as zero");
                }
                weights[at] = 0f;
                found++;
                from = at + 1;
                next = Finite.firstNonFinite(weights, from, count - from);
            }
            nonFinite += found;
            return found;
        }

        private void checkBlocks(byte[] blocks, int at, SlabReader slabs, String verb) {
            int elements = unit.target().blockElements();
            int bad = target.firstNonFinite(blocks, at, slabs.weightCount() / elements);
            if (bad >= 0) {
                throw new InvalidInputException("Cannot " + verb + " tensor " + unit.name() + " as "
                        + unit.target().label() + ": the block at " + place(slabs.row(), (long) bad * elements)
                        + " has a value or scale that is not finite"
                        + (verb.equals("encode") ? "; the weights exceed the range of the type" : ""));
            }
        }

        private String place(int slabRow, long at) {
            long element = (unit.firstRow() + slabRow) * unit.columns() + at;
            return "row " + element / unit.columns() + ", column " + element % unit.columns();
        }

        /** Where a weight lies in the source, whose rows may be in another order than the output's. */
        private String stored(int slabRow, int at) {
            long row = unit.order().sourceRow(slabRow + at / unit.columns());
            int column = at % unit.columns();
            String place = "row " + (unit.firstRow() + row) + ", column " + column;
            int block = unit.source().blockElements();
            long skip = unit.source().bytes((row * unit.columns() + column) / block * block);
            for (SourceRange range : unit.ranges()) {
                if (skip < range.length()) {
                    return place + " (byte " + (range.offset() + skip) + " of " + range.file() + ")";
                }
                skip -= range.length();
            }
            return place;
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

        UnitResult result() {
            return new UnitResult(unit.id(), digest.value(), error, nonFinite, readNanos, encodeNanos, writeNanos);
        }
    }
}
