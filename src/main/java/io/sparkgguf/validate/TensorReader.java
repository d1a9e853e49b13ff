package io.sparkgguf.validate;

import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.Serializable;

/**
 * Reads a tensor of a finished file back: every block's scales must be finite, and every slice must have the bytes that
 * were encoded. Yields the digest of the whole tensor, the xxHash64 that {@code llama-gguf-hash} prints too.
 */
public final class TensorReader implements Serializable {
    private static final long serialVersionUID = 1L;
    private static final int BUFFER = 4 << 20;

    private final Storage storage;

    public TensorReader(Storage storage) {
        this.storage = storage;
    }

    /**
     * @return xxHash64 of the tensor's bytes
     * @throws InvalidInputException when a scale is not finite or a digest differs, naming the byte offset
     */
    public Long run(TensorRange tensor) throws IOException {
        BlockFormat format = BlockFormats.of(tensor.type());
        int blockBytes = tensor.type().blockBytes();
        byte[] buffer = new byte[(int) Math.min(BUFFER / blockBytes * blockBytes, tensor.bytes())];
        Digest whole = new Digest();
        Slices slices = new Slices(tensor);
        try (RangeReader reader = SliceReader.open(storage, tensor)) {
            for (long at = 0; at < tensor.bytes(); ) {
                int count = (int) Math.min(buffer.length, tensor.bytes() - at);
                reader.readFully(tensor.offset() + at, buffer, 0, count);
                int bad = format.firstNonFinite(buffer, 0, count / blockBytes);
                if (bad >= 0) {
                    throw new InvalidInputException("Cannot accept " + tensor.file() + ": tensor " + tensor.name()
                            + " has a value or scale that is not finite in the block at byte "
                            + (tensor.offset() + at + (long) bad * blockBytes));
                }
                whole.update(buffer, 0, count);
                slices.update(buffer, count);
                at += count;
            }
        }
        return whole.value();
    }

    /** Follows the slices of known digest while the tensor streams by. */
    private static final class Slices {
        private final TensorRange tensor;
        private int slice;
        private long start;
        private long done;
        private Digest digest = new Digest();

        Slices(TensorRange tensor) {
            this.tensor = tensor;
        }

        void update(byte[] buffer, int count) {
            int at = 0;
            while (at < count && slice < tensor.expected().size()) {
                TensorRange.Slice known = tensor.expected().get(slice);
                int step = (int) Math.min(count - at, known.bytes() - done);
                digest.update(buffer, at, step);
                done += step;
                at += step;
                if (done == known.bytes()) {
                    if (digest.value() != known.digest()) {
                        throw new InvalidInputException(
                                "Cannot accept %s: bytes %d to %d of tensor %s have xxHash64 %016x, expected %016x"
                                        .formatted(
                                                tensor.file(),
                                                tensor.offset() + start,
                                                tensor.offset() + start + done,
                                                tensor.name(),
                                                digest.value(),
                                                known.digest()));
                    }
                    start += done;
                    done = 0;
                    slice++;
                    digest = new Digest();
                }
            }
        }
    }
}
