package io.sparkgguf.qat;

import io.sparkgguf.kernel.Binary16;
import io.sparkgguf.kernel.GridRounding;
import io.sparkgguf.kernel.StraightThrough;
import io.sparkgguf.quant.GridFormat;
import io.sparkgguf.quant.GridFormats;
import io.sparkgguf.quant.ScaleParts;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;

/**
 * The weights of a layer as they are trained on the grid of a block format: weights, and what scales are made of, are real
 * numbers behind the scenes; what the block computes with are the values that their blocks decode to, to the bit.
 *
 * <p>A weight is held in steps of its scale, so that no level changes because a scale does. Where weights are held instead, and
 * scales get the gradient of learned step sizes, training scales alone made the output of a natural model's block worse.
 *
 * <p>A scale is {@code d * code}: d is rounded to binary16, the code to an integer within its limits, and gradients pass
 * through both roundings as if they were not there. Offsets are made of dmin and minimum codes alike. Matrices lie by columns,
 * as in {@link BlockMatrices}.
 */
public final class TrainedLayer {
    private final GridFormat grid;
    private final int rows;
    private final int columns;
    private final byte[] points;
    private final ScaleParts parts;
    private final byte[] levels;
    private final float[] scales;
    private final float[] offsets;
    private final float[] values;
    private final float[] dScales;
    private final float[] dOffsets;
    private final float[] ones;
    private final float[] zeros;

    /** Weights in steps: a scale's multiple, offset taken off. Their unit is the mean distance of two points. */
    private Parameters weights;

    /** d of each block, in units of itself. */
    private Parameters d;

    /** dmin of each block. */
    private Parameters dmin;

    /** Scale codes, in units of themselves. */
    private Parameters codes;

    /** Minimum codes. */
    private Parameters minima;

    /**
     * Begins at given blocks.
     *
     * @param original weights by columns; a weight starts as near to its original as its level allows
     * @param blocks row after row from 0
     * @throws InvalidInputException when the type has no grid
     */
    public TrainedLayer(BlockType type, int rows, int columns, float[] original, byte[] blocks, double margin) {
        this(type, rows, columns);
        grid.readScales(blocks, 0, rows, columns, parts);
        grid.readLevels(blocks, 0, rows, columns, levels);
        grid.readGrid(blocks, 0, rows, columns, scales, offsets);
        d = new Parameters(parts.d().clone(), sizes(parts.d(), parts.d()));
        dmin = new Parameters(parts.dmin().clone(), sizes(parts.dmin(), parts.d()));
        codes = new Parameters(floats(parts.scaleCode()), codeSizes(parts.scaleCode()));
        minima = new Parameters(floats(parts.minimumCode()), codeSizes(parts.minimumCode()));
        weights = new Parameters(start(original, (float) margin), steps());
        quantize();
    }

    /**
     * Goes on with a layer as it was left.
     *
     * @param numbers what {@link #numbers} gave; kept, not copied
     */
    public TrainedLayer(BlockType type, int rows, int columns, List<float[]> numbers) {
        this(type, rows, columns);
        Iterator<float[]> next = numbers.iterator();
        System.arraycopy(next.next(), 0, parts.d(), 0, parts.d().length);
        System.arraycopy(next.next(), 0, parts.dmin(), 0, parts.dmin().length);
        d = Parameters.of(next);
        dmin = Parameters.of(next);
        codes = Parameters.of(next);
        minima = Parameters.of(next);
        weights = Parameters.of(next);
        for (int i = 0; i < minima.x.length; i++) { // where they are trained these are made anew
            parts.minimumCode()[i] = (byte) minima.x[i];
        }
        quantize();
    }

    private TrainedLayer(BlockType type, int rows, int columns) {
        grid = GridFormats.of(type)
                .orElseThrow(() -> new InvalidInputException("Cannot train weights on " + type + ": it has no grid"));
        this.rows = rows;
        this.columns = columns;
        points = grid.points();
        parts = ScaleParts.of(grid, rows, columns);
        levels = new byte[Math.multiplyExact(rows, columns)];
        int groups = columns / grid.groupElements() * rows;
        scales = new float[groups];
        offsets = new float[groups];
        dScales = new float[groups];
        dOffsets = new float[groups];
        values = new float[levels.length];
        ones = new float[rows];
        Arrays.fill(ones, 1);
        zeros = new float[rows];
    }

    /** The mean distance of two points, for each row. */
    private float[] steps() {
        float[] steps = new float[rows];
        Arrays.fill(steps, (float) (points[points.length - 1] - points[0]) / (points.length - 1));
        return steps;
    }

    private static float[] floats(byte[] codes) {
        float[] floats = new float[codes.length];
        for (int i = 0; i < codes.length; i++) {
            floats[i] = codes[i];
        }
        return floats;
    }

    private static float[] codeSizes(byte[] codes) {
        float[] sizes = new float[codes.length];
        for (int i = 0; i < codes.length; i++) {
            sizes[i] = Math.max(1, Math.abs(codes[i]));
        }
        return sizes;
    }

    private static float[] sizes(float[] of, float[] otherwise) {
        float[] sizes = new float[of.length];
        for (int i = 0; i < of.length; i++) {
            sizes[i] = Math.abs(of[i] == 0 ? otherwise[i] : of[i]);
        }
        return sizes;
    }

    /** The originals in steps, drawn towards their levels until these are the nearest. */
    private float[] start(float[] original, float margin) {
        float[] start = new float[values.length];
        int last = points.length - 1;
        for (int c = 0; c < columns; c++) {
            for (int r = 0; r < rows; r++) {
                int at = c * rows + r;
                int group = c / grid.groupElements() * rows + r;
                int level = Math.min(last, levels[at] & 0xff);
                float below = level > 0 ? points[level] - points[level - 1] : points[1] - points[0];
                float above = level < last ? points[level + 1] - points[level] : points[last] - points[last - 1];
                float steps = scales[group] == 0 ? points[level] : (original[at] + offsets[group]) / scales[group];
                start[at] = Math.max(points[level] - below * margin, Math.min(points[level] + above * margin, steps));
            }
        }
        return start;
    }

    /** What the layer computes with, by columns; the same array always. */
    public float[] values() {
        return values;
    }

    /** The type of its blocks. */
    public BlockType type() {
        return grid.type();
    }

    /**
     * All numbers that training has changed and goes on from, in a fixed order: the arrays themselves, some of no length
     * until the first step.
     */
    public List<float[]> numbers() {
        List<float[]> numbers = new ArrayList<>(List.of(parts.d(), parts.dmin()));
        for (Parameters each : List.of(d, dmin, codes, minima, weights)) {
            numbers.addAll(each.numbers());
        }
        return numbers;
    }

    /**
     * Moves all by one step, after which the values are those of the moved ones.
     *
     * @param step its number, the first being 1
     * @param gradient of half the error by values, by columns; overwritten
     */
    public void train(QatSettings settings, int step, float[] gradient) {
        Optimizer optimizer = new Optimizer(settings.mode());
        optimizer.begin(step);
        double share = settings.share(step - 1);
        backward(gradient);
        step(optimizer, settings.weightRate() * share, settings.scaleRate() * share);
    }

    /** Bytes that a layer holds. */
    public static long memory(BlockType type, int rows, int columns) {
        long elements = (long) rows * columns;
        int group = GridFormats.of(type).orElseThrow().groupElements();
        return elements * (4L * Float.BYTES + 1)
                + elements / group * (4L * Float.BYTES + 2 + 9L * Float.BYTES)
                + elements / type.blockElements() * 12L * Float.BYTES;
    }

    /** Makes scales, levels and values of the parameters as they now are. */
    void quantize() {
        half(d.x, parts.d());
        half(dmin.x, parts.dmin());
        int perBlock = grid.type().blockElements() / grid.groupElements();
        for (int g = 0; g < columns / grid.groupElements(); g++) {
            for (int r = 0; r < rows; r++) {
                int at = g * rows + r;
                int block = g / perBlock * rows + r;
                parts.scaleCode()[at] = code(codes.x[at], grid.minScaleCode(), grid.maxScaleCode());
                scales[at] = parts.d()[block] * parts.scaleCode()[at];
                if (grid.affine()) {
                    int largest = grid.maxMinimumCode();
                    parts.minimumCode()[at] = code(minima.x[at], largest == 1 ? 1 : 0, largest);
                    offsets[at] = parts.dmin()[block] * parts.minimumCode()[at];
                }
            }
        }
        for (int c = 0; c < columns; c++) {
            int group = c / grid.groupElements() * rows;
            int at = c * rows;
            GridRounding.round(points, grid.uniform(), weights.x, at, rows, ones, 0, zeros, 0, levels, at, values, at);
            StraightThrough.values(values, at, rows, scales, offsets, group);
        }
    }

    /** As binary16 holds them; a number beyond its range leaves what was there. */
    private static void half(float[] x, float[] into) {
        for (int i = 0; i < x.length; i++) {
            short half = Binary16.fromFloat(x[i]);
            if (Binary16.isFinite(half)) {
                into[i] = Binary16.toFloat(half);
            }
        }
    }

    private static byte code(float x, int least, int most) {
        return (byte) Math.max(least, Math.min(most, Math.round(x)));
    }

    /**
     * Takes the gradient of the values to all parameters, whose own gradients are replaced.
     *
     * @param gradient of the values; becomes that of the weights, and stays theirs until the next call
     */
    void backward(float[] gradient) {
        Arrays.fill(dScales, 0);
        Arrays.fill(dOffsets, 0);
        float low = points[0] - 0.5f * (points[1] - points[0]);
        int last = points.length - 1;
        float high = points[last] + 0.5f * (points[last] - points[last - 1]);
        for (int c = 0; c < columns; c++) {
            int group = c / grid.groupElements() * rows;
            StraightThrough.gradient(
                    weights.x, values, gradient, c * rows, rows, scales, offsets, group, low, high, dScales, dOffsets);
        }
        weights.gradient = gradient;
        Arrays.fill(d.gradient, 0);
        Arrays.fill(dmin.gradient, 0);
        int perBlock = grid.type().blockElements() / grid.groupElements();
        for (int g = 0; g < columns / grid.groupElements(); g++) {
            for (int r = 0; r < rows; r++) {
                int at = g * rows + r;
                int block = g / perBlock * rows + r;
                float dScale = scales[at] == 0 ? 0 : dScales[at] / scales[at];
                d.gradient[block] += parts.scaleCode()[at] * dScale;
                codes.gradient[at] = parts.d()[block] * dScale;
                dmin.gradient[block] += parts.minimumCode()[at] * dOffsets[at];
                minima.gradient[at] = parts.dmin()[block] * dOffsets[at];
            }
        }
    }

    /** Moves all parameters by their gradients, and makes values of them. */
    void step(Optimizer optimizer, double weightRate, double scaleRate) {
        optimizer.step(weights, rows, columns, weightRate);
        optimizer.step(d, d.x.length, 1, scaleRate);
        if (grid.maxScaleCode() != grid.minScaleCode()) {
            optimizer.step(codes, codes.x.length, 1, scaleRate);
        }
        if (grid.affine()) {
            optimizer.step(dmin, dmin.x.length, 1, scaleRate);
            if (grid.maxMinimumCode() > 1) {
                optimizer.step(minima, minima.x.length, 1, scaleRate);
            }
        }
        quantize();
    }

    /** The blocks of the values. */
    public byte[] blocks() {
        byte[] blocks = new byte[Math.toIntExact(rows * grid.type().bytes(columns))];
        grid.writeScales(parts, rows, columns, blocks, 0);
        grid.writeLevels(levels, rows, columns, blocks, 0);
        return blocks;
    }
}
