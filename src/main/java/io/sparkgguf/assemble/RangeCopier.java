package io.sparkgguf.assemble;

import io.sparkgguf.storage.RangeContent;
import io.sparkgguf.storage.RangeSink;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.util.List;

/** Fills byte ranges of output files from the parts. Zeros between pieces are written, not assumed. */
public final class RangeCopier implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Storage storage;
    private final List<RangeSink> outputs;

    /**
     * @param outputs where the ranges go, by index of their file
     */
    public RangeCopier(Storage storage, List<RangeSink> outputs) {
        this.storage = storage;
        this.outputs = List.copyOf(outputs);
    }

    /** Writes the range; doing it again writes the same bytes. Returns the receipt. */
    public String run(ByteRange range) throws IOException {
        RangeContent content = new RangeContent() {
            @Override
            public long length() {
                return range.length();
            }

            @Override
            public InputStream open() {
                return new PieceStream(storage, range);
            }
        };
        return outputs.get(range.output()).write(range.index(), range.offset(), range.last(), content);
    }
}
