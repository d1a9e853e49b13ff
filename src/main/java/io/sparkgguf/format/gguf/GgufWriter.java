package io.sparkgguf.format.gguf;

import java.io.IOException;
import java.io.OutputStream;

/**
 * Writes a GGUF file from front to back: the header at once, then the tensors' bytes in the layout's order, in pieces of
 * any size; the padding is put in here. For files of which one process writes everything.
 */
public final class GgufWriter {
    private static final byte[] ZEROS = new byte[1 << 12];

    private final OutputStream out;
    private final GgufLayout layout;
    private int tensor;
    private long position;

    /** Writes the header. Does not close {@code out}, at any time. */
    public GgufWriter(OutputStream out, GgufLayout layout) throws IOException {
        this.out = out;
        this.layout = layout;
        byte[] header = layout.header();
        out.write(header);
        position = header.length;
        advance();
    }

    /**
     * Appends to the tensor that is being written; when it is full, the next bytes are the next tensor's.
     *
     * @throws IllegalArgumentException when the bytes reach beyond the tensor's end
     */
    public void write(byte[] from, int at, int count) throws IOException {
        if (count == 0) {
            return;
        }
        if (tensor == layout.tensors().size() || count > layout.end(tensor) - position) {
            throw new IllegalArgumentException(
                    tensor == layout.tensors().size()
                            ? "Cannot write " + count + " bytes more: all tensors are written"
                            : "Cannot write " + count + " bytes to tensor "
                                    + Quoted.of(layout.tensors().get(tensor).name()) + ": only "
                                    + (layout.end(tensor) - position) + " are left");
        }
        out.write(from, at, count);
        position += count;
        advance();
    }

    private void advance() throws IOException {
        while (tensor < layout.tensors().size() && position == layout.end(tensor)) {
            tensor++;
            pad(tensor == layout.tensors().size() ? layout.length() : layout.start(tensor));
        }
    }

    private void pad(long end) throws IOException {
        while (position < end) {
            int count = (int) Math.min(ZEROS.length, end - position);
            out.write(ZEROS, 0, count);
            position += count;
        }
    }

    /**
     * Says that nothing more will come.
     *
     * @throws IllegalStateException when bytes of a tensor are missing
     */
    public void finish() throws IOException {
        if (tensor < layout.tensors().size()) {
            throw new IllegalStateException("Cannot finish the file: tensor "
                    + Quoted.of(layout.tensors().get(tensor).name()) + " lacks " + (layout.end(tensor) - position)
                    + " bytes");
        }
        out.flush();
    }
}
