package io.sparkgguf.validate;

import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

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
     * Reads it all, also where a slice is damaged.
     *
     * @throws InvalidInputException when a scale is not finite where the bytes are the expected ones or nothing is known of
     *     them, naming the byte offset
     */
    public Checked run(TensorRange tensor) throws IOException {
        try (RangeReader reader = SliceReader.open(storage, tensor)) {
            Reading reading = new Reading(tensor, reader);
            if (tensor.expected().isEmpty()) {
                reading.requireFinite(reading.read(tensor.bytes()));
            }
            for (int slice = 0; slice < tensor.expected().size(); slice++) {
                reading.check(slice);
            }
            return reading.result();
        }
    }

    /** A tensor on its way through a buffer. */
    private static final class Reading {
        private final TensorRange tensor;
        private final RangeReader reader;
        private final BlockFormat format;
        private final byte[] buffer;
        private final Digest whole = new Digest();
        private final Digest slice = new Digest();
        private final List<Integer> damaged = new ArrayList<>();
        private String reason;
        private long at;

        Reading(TensorRange tensor, RangeReader reader) {
            this.tensor = tensor;
            this.reader = reader;
            format = BlockFormats.of(tensor.type());
            int blockBytes = tensor.type().blockBytes();
            buffer = new byte[(int) Math.min(BUFFER / blockBytes * blockBytes, tensor.bytes())];
        }

        /** Reads so many bytes, whole blocks; returns where the first block with a scale that is not finite is, or -1. */
        private long read(long count) throws IOException {
            boolean apart = count < tensor.bytes(); // else both digests are one
            int blockBytes = tensor.type().blockBytes();
            long unsound = -1;
            slice.reset();
            for (long end = at + count; at < end; ) {
                int step = (int) Math.min(buffer.length, end - at);
                reader.readFully(tensor.offset() + at, buffer, 0, step);
                int bad = unsound < 0 ? format.firstNonFinite(buffer, 0, step / blockBytes) : -1;
                if (bad >= 0) {
                    unsound = tensor.offset() + at + (long) bad * blockBytes;
                }
                whole.update(buffer, 0, step);
                if (apart) {
                    slice.update(buffer, 0, step);
                }
                at += step;
            }
            return unsound;
        }

        private void check(int index) throws IOException {
            TensorRange.Slice expected = tensor.expected().get(index);
            long start = tensor.offset() + at;
            long unsound = read(expected.bytes());
            long digest = expected.bytes() < tensor.bytes() ? slice.value() : whole.value();
            if (digest == expected.digest()) {
                requireFinite(unsound);
                return;
            }
            damaged.add(index);
            if (reason == null) {
                reason = "bytes %d to %d of tensor %s have xxHash64 %016x, expected %016x"
                        .formatted(start, start + expected.bytes(), tensor.name(), digest, expected.digest());
            }
        }

        private void requireFinite(long unsound) {
            if (unsound >= 0) {
                throw new InvalidInputException("Cannot accept " + tensor.file() + ": tensor " + tensor.name()
                        + " has a value or scale that is not finite in the block at byte " + unsound);
            }
        }

        private Checked result() {
            return new Checked(whole.value(), damaged, reason);
        }
    }
}
