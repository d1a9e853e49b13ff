package io.sparkgguf.job;

import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.ErrorStats;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.io.Serializable;

/** Compares a slice of a finished file, decoded, with the source that it was made from. */
final class UnitComparer implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Storage storage;
    private final String[] files;

    /**
     * @param files the finished files, by the units' output index
     */
    UnitComparer(Storage storage, String... files) {
        this.storage = storage;
        this.files = files.clone();
    }

    ErrorStats run(WorkUnit unit) throws IOException {
        ErrorStats error = new ErrorStats();
        BlockFormat format = BlockFormats.of(unit.target());
        try (SlabReader slabs = new SlabReader(storage, unit, true);
                RangeReader file = storage.open(files[unit.output()])) {
            byte[] blocks = new byte[Math.toIntExact(unit.target().bytes(slabs.maxWeights()))];
            float[] decoded = new float[slabs.maxWeights()];
            while (slabs.next()) {
                int length = Math.toIntExact(unit.target().bytes(slabs.weightCount()));
                long at = unit.offset() + unit.target().bytes((long) slabs.row() * unit.columns());
                file.readFully(at, blocks, 0, length);
                format.decode(blocks, 0, slabs.weightCount(), decoded, 0);
                error.add(slabs.weights(), 0, decoded, 0, slabs.rows(), unit.columns());
            }
        }
        return error;
    }
}
