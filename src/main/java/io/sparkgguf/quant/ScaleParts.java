package io.sparkgguf.quant;

/**
 * What the scales and offsets of some rows are made of: {@code scale = d * scaleCode}, {@code offset = dmin * minimumCode},
 * each product rounded to float32.
 *
 * <p>Scale codes are signed: those that a type stores with a bias come without it. Types without codes have codes of 1, and
 * those without offset a dmin of 0. What Q4_1 and Q5_1 store is the minimum itself: their dmin is its negative.
 *
 * @param d one a block, that of block b and row r at {@code b * rows + r}
 * @param dmin likewise
 * @param scaleCode one a group, that of group g of row r at {@code g * rows + r}
 * @param minimumCode likewise
 */
public record ScaleParts(float[] d, float[] dmin, byte[] scaleCode, byte[] minimumCode) {

    /** Room for the parts of {@code rows} rows of {@code columns} weights. */
    public static ScaleParts of(GridFormat format, int rows, int columns) {
        int blocks = Math.multiplyExact(columns / format.type().blockElements(), rows);
        int groups = Math.multiplyExact(columns / format.groupElements(), rows);
        return new ScaleParts(new float[blocks], new float[blocks], new byte[groups], new byte[groups]);
    }
}
