package io.sparkgguf.quant;

import io.sparkgguf.kernel.Finite;
import io.sparkgguf.tensor.Encoding;

/** Finds the first block among {@code count} with a scale that is not a finite number, or -1. */
@FunctionalInterface
interface Scan {
    int firstNonFinite(byte[] blocks, int at, int count);

    /** For types of which every bit pattern is a number. */
    static Scan nothing() {
        return (blocks, at, count) -> -1;
    }

    /** For blocks that hold binary16 scales at these byte offsets. */
    static Scan halves(Encoding encoding, int... offsets) {
        int stride = encoding.blockBytes();
        return (blocks, at, count) -> {
            int first = -1;
            int left = count;
            for (int offset : offsets) {
                int found = Finite.firstNonFiniteF16(blocks, at + offset, left, stride);
                if (found >= 0) {
                    first = found;
                    left = found;
                }
            }
            return first;
        };
    }

    /** For blocks that start with a float32 scale. */
    static Scan float32(Encoding encoding) {
        int stride = encoding.blockBytes();
        return (blocks, at, count) -> {
            for (int b = 0; b < count; b++) {
                if (Finite.firstNonFiniteF32(blocks, at + b * stride, 1) == 0) {
                    return b;
                }
            }
            return -1;
        };
    }

    /** For IQ1_M, whose binary16 scale is the top nibbles of four 16-bit words of the block's last eight bytes. */
    static Scan iq1m(Encoding encoding) {
        int stride = encoding.blockBytes();
        return (blocks, at, count) -> {
            byte[] half = new byte[2];
            for (int b = 0; b < count; b++) {
                int words = at + (b + 1) * stride - 8;
                half[0] = (byte) (blocks[words + 1] >>> 4 & 0x0f | blocks[words + 3] & 0xf0);
                half[1] = (byte) (blocks[words + 5] >>> 4 & 0x0f | blocks[words + 7] & 0xf0);
                if (Finite.firstNonFiniteF16(half, 0, 1) == 0) {
                    return b;
                }
            }
            return -1;
        };
    }

    /** For MXFP4, whose scale byte 255 is no number. */
    static Scan mxfp4(Encoding encoding) {
        int stride = encoding.blockBytes();
        return (blocks, at, count) -> {
            for (int b = 0; b < count; b++) {
                if (blocks[at + b * stride] == (byte) 255) {
                    return b;
                }
            }
            return -1;
        };
    }

    /** For scalars, by the float32 that they decode to: an F64 beyond float32's range is not finite. */
    static Scan decoded(Encoding encoding, KernelFormat.Decoder decoder) {
        int bytes = encoding.blockBytes();
        return (blocks, at, count) -> {
            float[] chunk = new float[Math.min(count, 1024)];
            for (int i = 0; i < count; i += chunk.length) {
                int next = Math.min(chunk.length, count - i);
                decoder.decode(blocks, at + i * bytes, next, chunk, 0);
                int found = Finite.firstNonFinite(chunk, 0, next);
                if (found >= 0) {
                    return i + found;
                }
            }
            return -1;
        };
    }
}
