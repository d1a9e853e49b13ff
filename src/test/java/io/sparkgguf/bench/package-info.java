/**
 * JMH benchmarks, and comparisons with ggml's own quantizers and with OpenBLAS. Nothing here is run by the tests.
 *
 * <p>All benchmarks, or those that match a pattern, with the JVM flags that this project needs:
 *
 * <pre>
 * mvn -Pbench verify
 * mvn -Pbench verify -Dbench='BlockFormatBenchmark.encode -p type=Q8_0'
 * </pre>
 *
 * <p>Every encoder beside {@code ggml_quantize_chunk} of a {@code libggml-base.so} (one comes with the npm package
 * {@code @node-llama-cpp/linux-x64}), all types or those that match a pattern:
 *
 * <pre>
 * mvn -Pbench verify -Dbench.main=io.sparkgguf.bench.GgmlComparison -Dggml.library=/path/libggml-base.so -Dbench='Q.*'
 * </pre>
 *
 * <p>Matrix products and factors beside OpenBLAS, which the profile downloads; without the variable it may take slower
 * kernels than the processor allows:
 *
 * <pre>
 * OPENBLAS_CORETYPE=SKYLAKEX mvn -Pbench verify -Dbench.main=io.sparkgguf.bench.BlasComparison -Dbench='n = 1024'
 * </pre>
 *
 * <p>Assembly and commit of a file of so many GiB on a store that it starts ({@code local}, {@code hdfs}, {@code s3}), in a
 * folder with room for twice as much:
 *
 * <pre>
 * mvn -Pbench verify -Dbench.main=io.sparkgguf.bench.CommitBenchmark -Dbench='hdfs 20 /tmp'
 * </pre>
 *
 * <p>What linear schemes make of a whole model, and what its training brings when it is tried in memory, see {@link
 * io.sparkgguf.bench.SchemeLadder} and {@link io.sparkgguf.bench.QatTrial}:
 *
 * <pre>
 * mvn -Pbench verify -Dbench.main=io.sparkgguf.bench.SchemeLadder -Dbench='MODEL TEXT FOLDER int8 int4-g32 absmean'
 * mvn -Pbench verify -Dbench.main=io.sparkgguf.bench.QatTrial -Dbench='model=MODEL text=TEXT eval=TEXT type=Q2_K method=qat together=120'
 * </pre>
 */
package io.sparkgguf.bench;
