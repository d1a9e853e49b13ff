package io.sparkgguf.bench;

import io.sparkgguf.kernel.GridRounding;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.GridFormat;
import io.sparkgguf.quant.GridFormats;
import io.sparkgguf.tensor.BlockType;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a solver asks of a grid, over all columns of a slice of rows: weights per microsecond, which is Mweights per second.
 * Rounding in vectors stands beside its scalar definition.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@OperationsPerInvocation(GridBenchmark.WEIGHTS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
public class GridBenchmark {
    static final int ROWS = 1024;
    static final int COLUMNS = 512;
    static final int WEIGHTS = ROWS * COLUMNS;

    @Param({"Q2_K", "Q4_K", "Q6_K", "Q8_0", "IQ4_XS", "TQ1_0"})
    public String type;

    private final float[] columns = new float[WEIGHTS];
    private final byte[] levels = new byte[WEIGHTS];
    private final float[] values = new float[ROWS];
    private GridFormat grid;
    private byte[] points;
    private byte[] blocks;
    private float[] scales;
    private float[] offsets;

    @Setup
    public void encode() {
        grid = GridFormats.of(BlockType.valueOf(type)).orElseThrow();
        points = grid.points();
        Random random = new Random(1);
        float[] weights = new float[WEIGHTS];
        for (int row = 0; row < ROWS; row++) {
            for (int column = 0; column < COLUMNS; column++) {
                float weight = (float) (0.02 * random.nextGaussian());
                weights[row * COLUMNS + column] = weight;
                columns[column * ROWS + row] = weight + (float) (0.004 * random.nextGaussian());
            }
        }
        blocks = new byte[Math.toIntExact(grid.type().bytes(WEIGHTS))];
        BlockFormats.of(grid.type()).encode(weights, 0, ROWS, COLUMNS, null, 0, blocks, 0);
        scales = new float[WEIGHTS / grid.groupElements()];
        offsets = new float[scales.length];
        grid.readGrid(blocks, 0, ROWS, COLUMNS, scales, offsets);
        grid.readLevels(blocks, 0, ROWS, COLUMNS, levels);
    }

    @Benchmark
    public byte[] round() {
        for (int column = 0; column < COLUMNS; column++) {
            int at = column * ROWS;
            int group = column / grid.groupElements() * ROWS;
            GridRounding.round(
                    points, grid.uniform(), columns, at, ROWS, scales, group, offsets, group, levels, at, values, 0);
        }
        return levels;
    }

    @Benchmark
    public byte[] roundScalar() {
        for (int column = 0; column < COLUMNS; column++) {
            int at = column * ROWS;
            int group = column / grid.groupElements() * ROWS;
            GridRounding.scalar(
                    points, grid.uniform(), columns, at, ROWS, scales, group, offsets, group, levels, at, values, 0);
        }
        return levels;
    }

    @Benchmark
    public float[] readGrid() {
        grid.readGrid(blocks, 0, ROWS, COLUMNS, scales, offsets);
        return scales;
    }

    @Benchmark
    public byte[] readLevels() {
        grid.readLevels(blocks, 0, ROWS, COLUMNS, levels);
        return levels;
    }

    @Benchmark
    public byte[] writeLevels() {
        grid.writeLevels(levels, ROWS, COLUMNS, blocks, 0);
        return blocks;
    }
}
