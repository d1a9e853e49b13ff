package io.sparkgguf.bench;

import io.sparkgguf.model.MemoryWeights;
import io.sparkgguf.model.forward.BlockObserver;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.model.forward.RandomModel;
import io.sparkgguf.tensor.Metadata;
import java.io.IOException;
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

/** Tokens per second through a small decoder of six blocks, and through its output head. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@OperationsPerInvocation(ForwardBenchmark.TOKENS)
@Fork(1)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
public class ForwardBenchmark {
    static final int TOKENS = 4096;

    /** Tokens of a sequence. */
    @Param({"512", "4096"})
    public int sequence;

    private Decoder decoder;
    private int[] ids;
    private int[] ends;
    private float[] hidden;
    private float[] logits;

    @Setup
    public void build() throws IOException {
        Metadata metadata = RandomModel.metadata("llama", 6, 256, 768, 8, 4, 32);
        MemoryWeights weights = RandomModel.weights(metadata, 4096, 1);
        decoder = new Decoder(RandomModel.config(metadata, weights), weights);
        ids = new Random(1).ints(TOKENS, 0, 4096).toArray();
        ends = new int[TOKENS / sequence];
        for (int i = 0; i < ends.length; i++) {
            ends[i] = (i + 1) * sequence;
        }
        hidden = new float[TOKENS * decoder.width()];
        logits = new float[TOKENS * decoder.vocabulary()];
    }

    @Benchmark
    public float[] blocks() throws IOException {
        decoder.embed(ids, 0, TOKENS, hidden);
        for (int block = 0; block < decoder.blocks(); block++) {
            decoder.block(block, hidden, ends, BlockObserver.NONE, null);
        }
        return hidden;
    }

    @Benchmark
    public float[] head() throws IOException {
        decoder.logits(hidden, 0, TOKENS, logits);
        return logits;
    }
}
