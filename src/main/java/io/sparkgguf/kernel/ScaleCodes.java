package io.sparkgguf.kernel;

/**
 * How a super-block stores the codes of its sub-blocks' scales and minima.
 *
 * <p>Codes of the asymmetric types arrive as numbers from 0 to 255. Those that do not fit their bits, which only a
 * degenerate fit can cause, spill exactly as in ggml: that is why levels are computed from the codes read back. Codes of the
 * symmetric types are signed, and their minima are always 1.
 */
public enum ScaleCodes {
    /** Sixteen bytes: the scale of sub-block j in the low nibble of byte j, its minimum in the high nibble. */
    NIBBLES(16, 16, 0, 15) {
        @Override
        public void pack(int[] scales, int[] minima, int at, int stride, byte[] packed, int packedAt) {
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
    SIX_BITS(8, 12, 0, 63) {
        @Override
        public void pack(int[] scales, int[] minima, int at, int stride, byte[] packed, int packedAt) {
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
    },

    /**
     * Twelve bytes: the scale of sub-block j plus 32, its low four bits in a nibble of byte j % 8 (the high one from j = 8
     * on), its upper two in bits 2(j / 4) of byte 8 + j % 4.
     */
    SIX_BITS_SIGNED(16, 12, -32, 31) {
        @Override
        public void pack(int[] scales, int[] minima, int at, int stride, byte[] packed, int packedAt) {
            for (int j = 0; j < 12; j++) {
                packed[packedAt + j] = 0;
            }
            for (int j = 0; j < 16; j++) {
                Q3KEncoder.putCode(scales[at + j * stride] + 32, j, packed, packedAt);
            }
        }

        @Override
        public int scale(byte[] packed, int at, int j) {
            int low = packed[at + j % 8] >> j / 8 * 4 & 15;
            int high = packed[at + 8 + j % 4] >> j / 4 * 2 & 3;
            return (low | high << 4) - 32;
        }
    },

    /**
     * Six bytes: the scale of sub-block j plus 32, its upper two bits in bits 2j of the first two bytes, its low four in
     * bits 4j of the four that follow.
     */
    SIX_BITS_SPLIT(8, 6, -32, 31) {
        @Override
        public void pack(int[] scales, int[] minima, int at, int stride, byte[] packed, int packedAt) {
            int low = 0;
            int high = 0;
            for (int j = 0; j < 8; j++) {
                int code = scales[at + j * stride] + 32;
                low |= (code & 15) << 4 * j;
                high |= (code >> 4 & 3) << 2 * j;
            }
            ByteLanes.putShort(packed, packedAt, high);
            ByteLanes.putInt(packed, packedAt + 2, low);
        }

        @Override
        public int scale(byte[] packed, int at, int j) {
            int low = ByteLanes.getInt(packed, at + 2) >> 4 * j & 15;
            int high = ByteLanes.getShort(packed, at) >> 2 * j & 3;
            return (low | high << 4) - 32;
        }
    },

    /** Sixteen bytes: the scale of sub-block j as byte j, signed. */
    BYTES(16, 16, -128, 127) {
        @Override
        public void pack(int[] scales, int[] minima, int at, int stride, byte[] packed, int packedAt) {
            for (int j = 0; j < 16; j++) {
                packed[packedAt + j] = (byte) scales[at + j * stride];
            }
        }

        @Override
        public int scale(byte[] packed, int at, int j) {
            return packed[at + j];
        }
    },

    /** Nothing: a block that is one sub-block, its scale and minimum times 1. */
    NONE(1, 0, 1, 1) {
        @Override
        public void pack(int[] scales, int[] minima, int at, int stride, byte[] packed, int packedAt) {
            // nothing is stored
        }

        @Override
        public int scale(byte[] packed, int at, int j) {
            return 1;
        }
    };

    private final int subBlocks;
    private final int bytes;
    private final int minCode;
    private final int maxCode;

    ScaleCodes(int subBlocks, int bytes, int minCode, int maxCode) {
        this.subBlocks = subBlocks;
        this.bytes = bytes;
        this.minCode = minCode;
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

    /** Whether sub-blocks have codes of minima too. */
    public boolean codesMinima() {
        return this == NIBBLES || this == SIX_BITS;
    }

    /** The smallest code. */
    public int minCode() {
        return minCode;
    }

    /** The largest code. */
    public int maxCode() {
        return maxCode;
    }

    /** Packs the codes of one super-block: that of sub-block j lies at {@code at + j * stride}. */
    public abstract void pack(int[] scales, int[] minima, int at, int stride, byte[] packed, int packedAt);

    /** The code of sub-block j's scale. */
    public abstract int scale(byte[] packed, int at, int j);

    /** The code of sub-block j's minimum; 1 where none is stored. */
    public int minimum(byte[] packed, int at, int j) {
        return 1;
    }
}
