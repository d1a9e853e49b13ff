package io.sparkgguf.kernel;

/**
 * The arithmetic of one asymmetric K-quant: super-blocks of 256 weights, their sub-blocks each with a scale and a
 * minimum, both coded as small integers times one binary16 for the super-block.
 *
 * @param plain the search without importance
 * @param weighted the search with importance
 * @param codes how the codes of scales and minima are stored
 * @param addRms whether a weight counts, without importance, with rms + |x| (rms of its sub-block), else with |x|
 * @param energy with importance q, a weight counts with q * sqrt(energy * mean(x²) + x²), the mean over the super-block
 * @param plainClamp largest code kept without importance; 255 keeps any byte
 * @param weightedClamp largest code kept with importance
 */
public record AsymmetricSpec(
        AsymmetricGrid plain,
        AsymmetricGrid weighted,
        ScaleCodes codes,
        boolean addRms,
        int energy,
        int plainClamp,
        int weightedClamp) {

    /** Weights of a super-block. */
    public static final int SUPER_BLOCK = 256;

    /** Sub-blocks of 16 weights, levels 0 to 3. */
    public static final AsymmetricSpec Q2_K = new AsymmetricSpec(
            new AsymmetricGrid(16, 3, -0.5f, 0.1f, 15, true),
            AsymmetricGrid.weighted(16, 3),
            ScaleCodes.NIBBLES,
            false,
            1,
            255,
            255);

    /** Sub-blocks of 32 weights, levels 0 to 15. */
    public static final AsymmetricSpec Q4_K = new AsymmetricSpec(
            new AsymmetricGrid(32, 15, -1f, 0.1f, 20, false),
            AsymmetricGrid.weighted(32, 15),
            ScaleCodes.SIX_BITS,
            true,
            2,
            63,
            255);

    /** Sub-blocks of 32 weights, levels 0 to 31. */
    public static final AsymmetricSpec Q5_K = new AsymmetricSpec(
            new AsymmetricGrid(32, 31, -0.5f, 0.1f, 15, false),
            AsymmetricGrid.weighted(32, 31),
            ScaleCodes.SIX_BITS,
            true,
            2,
            63,
            63);

    /** Weights of a sub-block. */
    public int elements() {
        return plain.elements();
    }

    /** Sub-blocks of a super-block. */
    public int subBlocks() {
        return codes.subBlocks();
    }

    /** The largest level. */
    public int maxLevel() {
        return plain.maxLevel();
    }

    AsymmetricGrid grid(boolean importance) {
        return importance ? weighted : plain;
    }

    int clamp(boolean importance) {
        return importance ? weightedClamp : plainClamp;
    }
}
