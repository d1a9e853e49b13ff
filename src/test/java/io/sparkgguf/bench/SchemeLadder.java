package io.sparkgguf.bench;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.format.safetensors.SafetensorsHeader;
import io.sparkgguf.format.safetensors.SafetensorsReader;
import io.sparkgguf.format.safetensors.SafetensorsWriter;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.linear.GgufScheme;
import io.sparkgguf.quant.linear.LinearRounder;
import io.sparkgguf.quant.linear.LinearScheme;
import io.sparkgguf.quant.linear.Scheme;
import io.sparkgguf.quant.linear.SchemeName;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.TensorLocation;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What linear schemes, for which GGUF has no types, make of a whole model: rounds its linear layers by each, token embedding
 * and head to Q8_0, stores the result as F32, and compares it with the model on a text as {@code evaluate} does. Prints bits
 * of a weight of the linear layers, and evaluate's table.
 */
public final class SchemeLadder {
    /** The scheme of BitNet's training: -s, 0 and s, with s the mean magnitude of a tensor. */
    private static final String ABSMEAN = "absmean";

    private SchemeLadder() {}

    /**
     * Arguments: a folder of one safetensors file of BF16, a text, a folder for results, and names of schemes as of {@code
     * survey}, or {@code absmean}.
     */
    public static void main(String[] arguments) throws IOException {
        Path model = Path.of(arguments[0]);
        Path results = Files.createDirectories(Path.of(arguments[2]));
        List<String> line =
                new ArrayList<>(List.of("evaluate", "--quiet", "--model", model.toString(), "--text", arguments[1]));
        for (int i = 3; i < arguments.length; i++) {
            Path rounded = Files.createDirectories(results.resolve(arguments[i]));
            double bits = round(model, rounded, arguments[i]);
            String gguf = results.resolve(arguments[i] + ".gguf").toString();
            Files.deleteIfExists(Path.of(gguf));
            run("quantize", "--quiet", "--model", rounded.toString(), "--output", gguf, "--type", "F32");
            line.addAll(List.of("--gguf", gguf));
            System.out.printf("%-20s %.4f bits per weight%n", arguments[i], bits);
        }
        System.out.println(run(line.toArray(String[]::new)));
    }

    private static String run(String... line) {
        Cli.Outcome outcome = Cli.runOn("local[*]", line);
        if (outcome.code() != 0) {
            throw new IllegalStateException(outcome.err());
        }
        return outcome.out();
    }

    private static double round(Path model, Path into, String scheme) throws IOException {
        try (Stream<Path> files = Files.list(model)) {
            for (Path file :
                    files.filter(file -> file.toString().endsWith(".json")).toList()) {
                Files.write(into.resolve(file.getFileName()), Files.readAllBytes(file));
            }
        }
        long bytes = 0;
        long weights = 0;
        try (RangeReader reader = new LocalStorage()
                        .open(model.resolve("model.safetensors").toString());
                OutputStream out = new BufferedOutputStream(Files.newOutputStream(into.resolve("model.safetensors")))) {
            SafetensorsHeader header = SafetensorsReader.read(reader);
            List<SafetensorsWriter.Entry> entries = header.tensors().stream()
                    .map(tensor -> new SafetensorsWriter.Entry(tensor.name(), DType.F32, tensor.shape()))
                    .toList();
            try (SafetensorsWriter writer = new SafetensorsWriter(out, entries, Map.of())) {
                for (TensorLocation tensor : header.tensors()) {
                    float[] x = new float[Math.toIntExact(tensor.shape().elements())];
                    byte[] stored = new byte[Math.toIntExact(tensor.length())];
                    reader.readFully(tensor.offset(), stored, 0, stored.length);
                    BlockFormats.of(BlockType.BF16).decode(stored, 0, x.length, x, 0);
                    if (tensor.shape().rank() == 2) {
                        boolean linear = tensor.name().contains("_proj.");
                        bytes += linear ? bytes(scheme, tensor) : 0;
                        weights += linear ? x.length : 0;
                        x = rounded(x, tensor, linear ? scheme : "Q8_0");
                    }
                    ByteBuffer floats = ByteBuffer.allocate(4 * x.length).order(ByteOrder.LITTLE_ENDIAN);
                    floats.asFloatBuffer().put(x);
                    writer.write(floats.array(), 0, floats.capacity());
                }
            }
        }
        return 8.0 * bytes / weights;
    }

    private static long bytes(String scheme, TensorLocation tensor) {
        return scheme.equals(ABSMEAN)
                ? tensor.shape().elements() / 4 + 4
                : SchemeName.parse(scheme).bytes(tensor.shape());
    }

    private static float[] rounded(float[] x, TensorLocation tensor, String name) {
        int rows = Math.toIntExact(tensor.shape().rows());
        int columns = Math.toIntExact(tensor.shape().columns());
        float[] y = new float[x.length];
        if (name.equals(ABSMEAN)) {
            return absmean(x);
        }
        Scheme scheme = SchemeName.parse(name);
        if (scheme instanceof LinearScheme linear) {
            new LinearRounder(linear).round(x, 0, rows, columns, null, 0, y, 0);
        } else {
            BlockType type = ((GgufScheme) scheme).type();
            BlockFormat format = BlockFormats.of(type);
            byte[] blocks = new byte[Math.toIntExact(type.bytes(x.length))];
            format.encode(x, 0, rows, columns, null, 0, blocks, 0);
            format.decode(blocks, 0, y.length, y, 0);
        }
        return y;
    }

    private static float[] absmean(float[] x) {
        double sum = 0;
        for (float weight : x) {
            sum += Math.abs(weight);
        }
        float scale = (float) (sum / x.length);
        float[] y = new float[x.length];
        for (int i = 0; i < x.length; i++) {
            y[i] = scale * Math.max(-1, Math.min(1, Math.round(x[i] / scale)));
        }
        return y;
    }
}
