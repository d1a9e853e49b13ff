package io.sparkgguf.kernel;

/**
 * The scratch memory in which the encoders of symmetric formats treat as many (super-)blocks at once as a vector has
 * lanes. Everything lies in lanes: number i of block b at {@code i * WIDTH + b}. One a thread.
 */
final class Tile {
    /** Elements of the largest block. */
    static final int ELEMENTS = 256;
    /** Sub-blocks of the largest block. */
    static final int GROUPS = 16;

    private static final ThreadLocal<Tile> MINE = ThreadLocal.withInitial(Tile::new);

    /** The weights to encode. */
    final float[] x = new float[ELEMENTS * Lanes.WIDTH];
    /** The importance, then what an error of each weighs. */
    final float[] w = new float[ELEMENTS * Lanes.WIDTH];
    /** The levels, from zero up. */
    final int[] levels = new int[ELEMENTS * Lanes.WIDTH];
    /** Four bytes of output each. */
    final int[] words = new int[ELEMENTS / 4 * Lanes.WIDTH];
    /** Of the sub-blocks. */
    final float[] scale = new float[GROUPS * Lanes.WIDTH];
    /** Of the sub-blocks: inverse scales of the search's levels. */
    final float[] inverse = new float[GROUPS * Lanes.WIDTH];
    /** Of the sub-blocks: sums. */
    final float[] sum = new float[GROUPS * Lanes.WIDTH];
    /** Of the sub-blocks: the codes of their scales. */
    final int[] codes = new int[GROUPS * Lanes.WIDTH];
    /** Of the blocks: their mean squares. */
    final float[] spread = new float[Lanes.WIDTH];
    /** Of the blocks: their scale. */
    final float[] d = new float[Lanes.WIDTH];
    /** Of the blocks: the inverse scale of the search's levels. */
    final float[] inverseD = new float[Lanes.WIDTH];
    /** Of the blocks: their scale as binary16. */
    final short[] stored = new short[Lanes.WIDTH];

    final ThreeBitDescent descent = new ThreeBitDescent();
    final SymmetricSearch symmetric = new SymmetricSearch();
    final NonlinearSearch nonlinear = new NonlinearSearch();

    private Tile() {}

    /** This thread's. */
    static Tile mine() {
        return MINE.get();
    }

    /** Writes {@code count} words of {@link #words}, from word {@code from}, of block {@code lane} as bytes from {@code at}. */
    void write(int lane, int from, int count, byte[] out, int at) {
        for (int i = 0; i < count; i++) {
            Words.putInt(out, at + 4 * i, words[(from + i) * Lanes.WIDTH + lane]);
        }
    }
}
