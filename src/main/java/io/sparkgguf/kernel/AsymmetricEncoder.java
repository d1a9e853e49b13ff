package io.sparkgguf.kernel;

/**
 * Turns super-blocks of weights into levels, codes and factors; the format then lays them into bytes. An encoder keeps
 * its scratch memory and what it last encoded, so each thread needs its own.
 *
 * <p>There are two, of equal bits: {@link AsymmetricScalar} is the definition, {@link AsymmetricVector} the fast one.
 */
public abstract sealed class AsymmetricEncoder permits AsymmetricScalar, AsymmetricVector {
    /** Most super-blocks of one call. */
    public static final int CAPACITY = Lanes.WIDTH;

    final AsymmetricSpec spec;
    final int subBlocks;
    final int elements;

    /** The levels of the super-blocks last encoded, one a byte, in the order of the weights. */
    public final byte[] levels = new byte[CAPACITY * AsymmetricSpec.SUPER_BLOCK];

    /** Their codes as stored, {@link ScaleCodes#bytes()} bytes each. */
    public final byte[] codes;

    /** Their factors of the scales, as binary16. */
    public final short[] scales = new short[CAPACITY];

    /** Their factors of the minima, as binary16. */
    public final short[] minima = new short[CAPACITY];

    AsymmetricEncoder(AsymmetricSpec spec) {
        this.spec = spec;
        this.subBlocks = spec.subBlocks();
        this.elements = spec.elements();
        this.codes = new byte[CAPACITY * spec.codes().bytes()];
    }

    /** A new encoder in vectors, or the scalar one that defines it. */
    public static AsymmetricEncoder of(AsymmetricSpec spec, boolean vector) {
        return vector ? new AsymmetricVector(spec) : new AsymmetricScalar(spec);
    }

    /**
     * Encodes {@code count} consecutive super-blocks of a matrix, at most {@link #CAPACITY}; they may span rows.
     *
     * @param x finite weights, the first super-block's from {@code at}
     * @param importance null, or one row's worth of non-negative weights from {@code importanceAt}
     * @param blocksPerRow super-blocks of a row
     * @param blockInRow which super-block of its row the first one is
     */
    public abstract void encode(
            float[] x, int at, int count, float[] importance, int importanceAt, int blocksPerRow, int blockInRow);
}
