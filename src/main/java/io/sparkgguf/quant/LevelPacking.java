package io.sparkgguf.quant;

/** How the levels of one block lie in its bytes; on the outside they are bytes without sign, from 0 up. */
interface LevelPacking {
    /** Writes the levels from {@code levelsAt} into the block from {@code blockAt}, whose other bits stay. */
    void pack(byte[] levels, int levelsAt, byte[] blocks, int blockAt);

    /** The inverse of {@link #pack}. */
    void unpack(byte[] blocks, int blockAt, byte[] levels, int levelsAt);

    /** One direction. */
    @FunctionalInterface
    interface Move {
        void move(byte[] from, int fromAt, byte[] to, int toAt);
    }

    /** The packing of two kernels. */
    static LevelPacking of(Move unpack, Move pack) {
        return new LevelPacking() {
            @Override
            public void pack(byte[] levels, int levelsAt, byte[] blocks, int blockAt) {
                pack.move(levels, levelsAt, blocks, blockAt);
            }

            @Override
            public void unpack(byte[] blocks, int blockAt, byte[] levels, int levelsAt) {
                unpack.move(blocks, blockAt, levels, levelsAt);
            }
        };
    }
}
