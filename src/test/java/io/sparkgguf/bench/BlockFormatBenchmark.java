package io.sparkgguf.bench;

import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
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

/** Encoding and decoding of every type that can be encoded: weights per microsecond, which is Mweights per second. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@OperationsPerInvocation(BlockFormatBenchmark.WEIGHTS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class BlockFormatBenchmark {
    static final int ROWS = 16;
    static final int COLUMNS = 4096;
    static final int WEIGHTS = ROWS * COLUMNS;

    @Param({
        "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0", "Q2_0"
    })
    public BlockType type;

    private final float[] weights = new float[WEIGHTS];
    private final float[] decoded = new float[WEIGHTS];
    private BlockFormat format;
    private byte[] blocks;

    @Setup
    public void fill() {
        Random random = new Random(1);
        for (int i = 0; i < WEIGHTS; i++) {
            weights[i] = (float) (0.02 * random.nextGaussian());
        }
        format = BlockFormats.of(type);
        blocks = new byte[Math.toIntExact(type.bytes(WEIGHTS))];
        encode();
    }

    @Benchmark
    public byte[] encode() {
        format.encode(weights, 0, ROWS, COLUMNS, null, 0, blocks, 0);
        return blocks;
    }

    @Benchmark
    public float[] decode() {
        format.decode(blocks, 0, WEIGHTS, decoded, 0);
        return decoded;
    }

    @Benchmark
    public int firstNonFinite() {
        return format.firstNonFinite(blocks, 0, WEIGHTS / type.blockElements());
    }
}
