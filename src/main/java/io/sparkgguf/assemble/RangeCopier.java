package io.sparkgguf.assemble;

import io.sparkgguf.storage.RangeContent;
import io.sparkgguf.storage.RangeSink;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/** Fills byte ranges of output files from the parts. Zeros between pieces are written, not assumed. */
public final class RangeCopier implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Bytes of memory that copying takes, beside what the place takes. */
    public static final long MEMORY = PieceStream.BUFFER;

    private final Storage storage;
    private final List<RangeSink> outputs;

    /**
     * @param outputs where the ranges go, by index of their file
     */
    public RangeCopier(Storage storage, List<RangeSink> outputs) {
        this.storage = storage;
        this.outputs = List.copyOf(outputs);
    }

    /**
     * Writes the range, unless a part of it is missing or wrong; doing it again writes the same bytes.
     *
     * @return the receipt, or all of the range's parts that cannot be used
     */
    public Copied run(ByteRange range) throws IOException {
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
        try {
            String receipt = outputs.get(range.output()).write(range.index(), range.offset(), range.last(), content);
            return new Copied(receipt, List.of(), null);
        } catch (IOException e) {
            if (!DamagedPartException.caused(e)) {
                throw e;
            }
            Copied found = damage(range);
            if (found.damaged().isEmpty()) {
                throw e; // it reads well now: another attempt will do
            }
            return found;
        }
    }

    private Copied damage(ByteRange range) throws IOException {
        byte[] buffer = new byte[PieceStream.BUFFER];
        List<Integer> damaged = new ArrayList<>();
        String reason = null;
        for (Piece piece : range.pieces()) {
            try (PartReader reader = new PartReader(storage, piece.part(), buffer)) {
                reader.finish();
            } catch (DamagedPartException e) {
                damaged.add(piece.part().id());
                reason = reason == null ? e.getMessage() : reason;
            }
        }
        return new Copied(null, damaged, reason);
    }
}
