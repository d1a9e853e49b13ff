package io.sparkgguf.kernel;

/**
 * How a super-block stores the codes of its sub-blocks' scales and minima.
 *
 * <p>Codes arrive as numbers from 0 to 255. Those that do not fit their bits, which only a degenerate fit can cause,
 * spill exactly as in ggml: that is why levels are computed from the codes read back.
 */
public enum ScaleCodes {
    /** Sixteen bytes: the scale of sub-block j in the low nibble of byte j, its minimum in the high nibble. */
    NIBBLES(16, 16, 15) {
        @Override
        void pack(int[] scales, int[] minima, int at, int stride, byte[] packed, int packedAt) {
            for (int j = 0; j < 16; j++) {
                packed[packedAt + j] = (byte) (scales[at + j * stride] | minima[at + j * stride] << 4);
            }
        }

        @Override
        public int scale(byte[] packed, int at, int j) {
            return packed[at + j] & 15;
        }

        @Override
        public int minimum(byte[] packed, int at, int j) {
            return packed[at + j] >> 4 & 15;
        }
    },

    /**
     * Twelve bytes: the scales of sub-blocks 0 to 3 in the low six bits of bytes 0 to 3, their minima in those of bytes 4
     * to 7; of sub-blocks 4 to 7 the low four bits in bytes 8 to 11 (scale low, minimum high), the upper two bits above
     * the six of bytes 0 to 3 (scale) and 4 to 7 (minimum).
     */
    SIX_BITS(8, 12, 63) {
        @Override
        void pack(int[] scales, int[] minima, int at, int stride, byte[] packed, int packedAt) {
            for (int j = 0; j < 4; j++) {
                int low = at + j * stride;
                int high = at + (j + 4) * stride;
                packed[packedAt + j] = (byte) (scales[low] | scales[high] >> 4 << 6);
                packed[packedAt + 4 + j] = (byte) (minima[low] | minima[high] >> 4 << 6);
                packed[packedAt + 8 + j] = (byte) (scales[high] & 15 | (minima[high] & 15) << 4);
            }
        }

        @Override
        public int scale(byte[] packed, int at, int j) {
            return j < 4 ? packed[at + j] & 63 : packed[at + j + 4] & 15 | packed[at + j - 4] >> 2 & 48;
        }

        @Override
        public int minimum(byte[] packed, int at, int j) {
            return j < 4 ? packed[at + j + 4] & 63 : packed[at + j + 4] >> 4 & 15 | packed[at + j] >> 2 & 48;
        }
    };

    private final int subBlocks;
    private final int bytes;
    private final int maxCode;

    ScaleCodes(int subBlocks, int bytes, int maxCode) {
        this.subBlocks = subBlocks;
        this.bytes = bytes;
        this.maxCode = maxCode;
    }

    /** Sub-blocks of a super-block. */
    public int subBlocks() {
        return subBlocks;
    }

    /** Bytes that the codes of a super-block take. */
    public int bytes() {
        return bytes;
    }

    /** The largest code. */
    public int maxCode() {
        return maxCode;
    }

    /** Packs the codes of one super-block: that of sub-block j lies at {@code at + j * stride}. */
    abstract void pack(int[] scales, int[] minima, int at, int stride, byte[] packed, int packedAt);

    /** The code of sub-block j's scale. */
    public abstract int scale(byte[] packed, int at, int j);

    /** The code of sub-block j's minimum. */
    public abstract int minimum(byte[] packed, int at, int j);
}
