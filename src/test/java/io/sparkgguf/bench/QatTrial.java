package io.sparkgguf.bench;

import io.sparkgguf.gptq.GptqOptions;
import io.sparkgguf.gptq.HessianFactor;
import io.sparkgguf.gptq.HessianSummary;
import io.sparkgguf.gptq.RowSolver;
import io.sparkgguf.gptq.TilePanels;
import io.sparkgguf.kernel.Gram;
import io.sparkgguf.linalg.MemoryTiles;
import io.sparkgguf.model.MemoryWeights;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.qat.BlockMatrices;
import io.sparkgguf.qat.BlockTrainer;
import io.sparkgguf.qat.BlockVectors;
import io.sparkgguf.qat.Layer;
import io.sparkgguf.qat.MemoryGradients;
import io.sparkgguf.qat.MemoryModel;
import io.sparkgguf.qat.ModelSource;
import io.sparkgguf.qat.ModelTrainer;
import io.sparkgguf.qat.OutputHead;
import io.sparkgguf.qat.QatSettings;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Shape;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Quantizes a small model of the Hugging Face kind block by block, everything in memory on one thread, and tells the error of
 * each block's output by rounding with importance, by GPTQ and by training; then trains all blocks together, if that is asked
 * for; at last the divergence of the whole.
 *
 * <pre>
 * mvn -Pbench verify -Dbench.main=io.sparkgguf.bench.QatTrial -Dbench='model=FOLDER text=FILE eval=FILE type=Q2_K method=qat'
 * </pre>
 *
 * <p>More: {@code blocks}, {@code length} (tokens of a sequence), {@code measure}, {@code most} (sequences), {@code evalChunks}, and the
 * components of {@link QatSettings}: {@code mode}, {@code steps}, {@code batch}, {@code weightRate}, {@code scaleRate}, {@code
 * margin}, {@code heldOut}, {@code every}, {@code patience}. {@code together} is the number of steps in which all blocks are
 * trained together, {@code togetherWeightRate} and {@code togetherScaleRate} their learning rates; {@code keep} names a file
 * for the blocks before that, which are read from there when it exists. The method is {@code rtn}, {@code gptq}, {@code qat} {@code
 * qat-rtn}, which starts from rounding, or {@code absmean} or {@code absmean-block}: ternary rounding by the mean magnitude of
 * a tensor or of 256 weights, whatever the type.
 */
public final class QatTrial {
    private final Map<String, String> options;
    private final DecoderConfig config;
    private final TrialModel model;
    private final MemoryWeights original;
    private final MemoryWeights student = new MemoryWeights();
    private final BlockType type;
    private final int length;
    private final List<Map<Layer, BlockTrainer.Coded>> all = new ArrayList<>();

    /** See the class. */
    public static void main(String[] args) throws IOException {
        Map<String, String> options = new HashMap<>();
        for (String arg : String.join(" ", args).split(" ")) {
            options.put(arg.substring(0, arg.indexOf('=')), arg.substring(arg.indexOf('=') + 1));
        }
        new QatTrial(options).run();
    }

    private QatTrial(Map<String, String> options) throws IOException {
        this.options = options;
        model = new TrialModel(options.get("model"), Integer.parseInt(options.getOrDefault("bos", "4094")));
        config = model.config;
        original = model.original;
        for (String name : model.names) {
            student.put(name, original.shape(name), model.values(name));
        }
        type = BlockType.valueOf(options.getOrDefault("type", "Q2_K"));
        length = number("length", 512);
    }

    private int number(String key, int otherwise) {
        return Integer.parseInt(options.getOrDefault(key, "" + otherwise));
    }

    private double real(String key, double otherwise) {
        return Double.parseDouble(options.getOrDefault(key, "" + otherwise));
    }

    private QatSettings settings() {
        QatSettings d = QatSettings.DEFAULT;
        return new QatSettings(
                QatSettings.Mode.valueOf(options.getOrDefault("mode", d.mode().name())),
                number("steps", d.steps()),
                number("batch", d.batch()),
                real("weightRate", d.weightRate()),
                real("scaleRate", d.scaleRate()),
                real("margin", d.margin()),
                number("heldOut", d.heldOut()),
                number("every", d.measureEvery()),
                number("patience", d.patience()),
                d.seed());
    }

    private void run() throws IOException {
        if (options.getOrDefault("method", "").startsWith("absmean")) {
            absmean(options.get("method").equals("absmean-block") ? 256 : Integer.MAX_VALUE);
            model.evaluate(student, options.get("eval"), number("evalChunks", 1000));
            return;
        }
        Path kept = options.containsKey("keep") ? Path.of(options.get("keep")) : null;
        if (kept != null && Files.exists(kept)) {
            read(kept);
        } else {
            blocks();
            if (kept != null) {
                write(kept);
            }
        }
        if (number("together", 0) > 0) {
            together();
        }
        if (all.size() == config.blocks()) {
            model.evaluate(student, options.get("eval"), number("evalChunks", 1000));
        }
    }

    /** Makes each weight -s, 0 or s, the nearest to it, s being the mean magnitude of so many weights or of a tensor's. */
    private void absmean(int most) {
        for (int block = 0; block < config.blocks(); block++) {
            for (Layer layer : Layer.values()) {
                String name = layer.in(block) + ".weight";
                float[] values = model.values(name);
                int count = Math.min(most, values.length);
                for (int at = 0; at < values.length; at += count) {
                    double sum = 0;
                    for (int i = at; i < at + count; i++) {
                        sum += Math.abs(values[i]);
                    }
                    float scale = (float) (sum / count);
                    for (int i = at; i < at + count; i++) {
                        values[i] = scale * Math.max(-1, Math.min(1, Math.round(values[i] / scale)));
                    }
                }
                student.put(name, original.shape(name), values);
            }
        }
    }

    private void read(Path file) throws IOException {
        try (DataInputStream in = new DataInputStream(Files.newInputStream(file))) {
            for (int block = 0; block < config.blocks(); block++) {
                Map<Layer, BlockTrainer.Coded> coded = new EnumMap<>(Layer.class);
                for (Layer layer : Layer.values()) {
                    byte[] blocks = new byte[Math.toIntExact(type.bytes(layer.size(config)))];
                    in.readFully(blocks);
                    coded.put(layer, new BlockTrainer.Coded(type, blocks));
                }
                take(block, coded);
            }
        }
    }

    private void write(Path file) throws IOException {
        try (OutputStream out = Files.newOutputStream(file)) {
            for (Map<Layer, BlockTrainer.Coded> block : all) {
                for (BlockTrainer.Coded coded : block.values()) {
                    out.write(coded.blocks());
                }
            }
        }
    }

    /** What a block is from now on. */
    private void take(int block, Map<Layer, BlockTrainer.Coded> coded) {
        coded.forEach((layer, each) -> {
            Shape shape = Shape.of(layer.rows(config), layer.columns(config));
            float[] decoded = new float[layer.size(config)];
            BlockFormats.of(type).decode(each.blocks(), 0, decoded.length, decoded, 0);
            student.put(layer.in(block) + ".weight", shape, decoded);
        });
        if (block < all.size()) {
            all.set(block, coded);
        } else {
            all.add(coded);
        }
    }

    private void together() throws IOException {
        Decoder teacher = new Decoder(config, original);
        List<MemoryGradients.Sequence> sequences = new ArrayList<>();
        for (int[] ids : model.sequences(options.get("text"), length, number("most", Integer.MAX_VALUE))) {
            float[] input = new float[length * config.width()];
            teacher.embed(ids, 0, length, input);
            float[] target = input.clone();
            for (int block = 0; block < config.blocks(); block++) {
                teacher.block(block, target, new int[] {length}, (b, i, x, t, c) -> {}, null);
            }
            sequences.add(new MemoryGradients.Sequence(input, target));
        }
        List<BlockVectors> vectors = new ArrayList<>();
        List<BlockMatrices> weights = new ArrayList<>();
        for (int block = 0; block < config.blocks(); block++) {
            vectors.add(BlockVectors.read(config, original, block));
            weights.add(BlockMatrices.read(config, original, block));
        }
        OutputHead head = OutputHead.read(config, original);
        ModelSource source =
                new MemoryModel(config, vectors, head, head, MemoryGradients.listed(config, sequences), layers(all));
        QatSettings d = QatSettings.TOGETHER;
        QatSettings settings = new QatSettings(
                d.mode(),
                number("together", d.steps()),
                number("togetherBatch", Math.max(1, d.batch() * 256 / length)),
                real("togetherWeightRate", d.weightRate()),
                real("togetherScaleRate", d.scaleRate()),
                d.margin(),
                number("heldOut", d.heldOut()),
                number("every", d.measureEvery()),
                number("patience", d.patience()),
                d.seed());
        long start = System.nanoTime();
        ModelTrainer.Result result = new ModelTrainer(config, settings, source, weights, all).train();
        System.out.printf(
                Locale.ROOT,
                "together: %s, %d steps of %.3f s, %s, held-out divergence %s%n",
                result.log().end(),
                result.log().steps(),
                (System.nanoTime() - start) / 1e9 / result.log().steps(),
                settings,
                result.log().heldOut().stream()
                        .map(divergence -> String.format(Locale.ROOT, "%.5f", divergence))
                        .toList());
        for (int block = 0; block < config.blocks(); block++) {
            take(block, result.blocks().get(block));
        }
    }

    private static List<Set<Layer>> layers(List<Map<Layer, BlockTrainer.Coded>> blocks) {
        return blocks.stream().map(Map::keySet).toList();
    }

    private void blocks() throws IOException {
        Decoder teacherModel = new Decoder(config, original);
        List<float[]> teacher = new ArrayList<>();
        List<float[]> own = new ArrayList<>();
        for (int[] sequence : model.sequences(options.get("text"), length, number("most", Integer.MAX_VALUE))) {
            float[] hidden = new float[length * config.width()];
            teacherModel.embed(sequence, 0, length, hidden);
            teacher.add(hidden);
            own.add(hidden.clone());
        }
        System.out.printf(Locale.ROOT, "%d sequences of %d tokens, %s%n", own.size(), length, settings());
        for (int block = 0; block < number("blocks", config.blocks()); block++) {
            block(block, teacherModel, teacher, own);
        }
    }

    private void block(int block, Decoder teacherModel, List<float[]> teacher, List<float[]> own) throws IOException {
        for (float[] hidden : teacher) {
            teacherModel.block(block, hidden, new int[] {length}, (b, i, x, t, c) -> {}, null);
        }
        String method = options.getOrDefault("method", "qat");
        Map<Layer, BlockTrainer.Coded> rounded = new EnumMap<>(Layer.class);
        Map<Layer, BlockTrainer.Coded> solved = new EnumMap<>(Layer.class);
        solve(block, teacherModel, own, rounded, solved);
        List<MemoryGradients.Sequence> sequences = new ArrayList<>();
        for (int i = 0; i < own.size(); i++) {
            sequences.add(new MemoryGradients.Sequence(own.get(i), teacher.get(i)));
        }
        BlockMatrices weights = BlockMatrices.read(config, original, block);
        BlockVectors vectors = BlockVectors.read(config, original, block);
        Map<Layer, BlockTrainer.Coded> begin = method.equals("rtn") || method.equals("qat-rtn") ? rounded : solved;
        MemoryGradients source = new MemoryGradients(
                config,
                vectors,
                MemoryGradients.Measure.valueOf(options.getOrDefault("measure", "RELATIVE")),
                sequences,
                begin.keySet());
        QatSettings none = new QatSettings(
                QatSettings.Mode.WEIGHTS, 0, 1, 0, 0, 0, settings().heldOut(), 1, 1, 1);
        double byRounding =
                new BlockTrainer(config, none, source, weights, rounded).train().before();
        double bySolving =
                new BlockTrainer(config, none, source, weights, solved).train().before();
        Map<Layer, BlockTrainer.Coded> blocks = begin;
        System.out.printf(
                Locale.ROOT, "block %d: rtn %.4g, gptq / rtn %.4f", block, byRounding, bySolving / byRounding);
        if (method.startsWith("qat")) {
            long start = System.nanoTime();
            BlockTrainer.Result result = new BlockTrainer(config, settings(), source, weights, begin).train();
            double seconds = (System.nanoTime() - start) / 1e9;
            blocks = result.blocks();
            System.out.printf(
                    Locale.ROOT,
                    ", qat / rtn %.4f (%s, %d steps, %.3f s each, held out %s; training %.3g to %.3g)",
                    result.after() / byRounding,
                    result.end(),
                    result.steps(),
                    seconds / Math.max(1, result.steps()),
                    result.heldOut().stream()
                            .map(error -> String.format(Locale.ROOT, "%.3f", error / byRounding))
                            .toList(),
                    result.training().get(0) / byRounding,
                    result.training().get(result.training().size() - 1) / byRounding);
        }
        System.out.println();
        take(block, blocks);
        Decoder studentModel = new Decoder(config, student);
        for (float[] hidden : own) {
            studentModel.block(block, hidden, new int[] {length}, (b, i, x, t, c) -> {}, null);
        }
    }

    private void solve(
            int block,
            Decoder model,
            List<float[]> inputs,
            Map<Layer, BlockTrainer.Coded> rounded,
            Map<Layer, BlockTrainer.Coded> solved)
            throws IOException {
        Map<LinearInput, double[]> grams = new EnumMap<>(LinearInput.class);
        for (float[] input : inputs) {
            model.block(
                    block,
                    input.clone(),
                    new int[] {length},
                    (b, which, x, tokens, columns) -> Gram.add(
                            x,
                            0,
                            tokens,
                            columns,
                            0,
                            columns,
                            0,
                            columns,
                            grams.computeIfAbsent(which, key -> new double[columns * columns]),
                            columns),
                    null);
        }
        long tokens = (long) length * inputs.size();
        for (Layer layer : Layer.values()) {
            String name = layer.in(block) + ".weight";
            LinearInput input = LinearInput.of(name).orElseThrow();
            int rows = layer.rows(config);
            int columns = layer.columns(config);
            float[] weights = new float[layer.size(config)];
            original.rows(name, 0, rows, weights, 0);
            MemoryTiles hessian = MemoryTiles.ofSymmetric(grams.get(input), columns, 256);
            MemoryTiles factor = new MemoryTiles(columns, 256);
            HessianSummary summary =
                    HessianFactor.compute(hessian, tokens, GptqOptions.DEFAULT, factor, Long.MAX_VALUE);
            RowSolver solver = new RowSolver(
                    type, GptqOptions.DEFAULT, summary, TilePanels.factor(factor), TilePanels.hessian(hessian));
            byte[] blocks = new byte[Math.toIntExact(type.bytes((long) rows * columns))];
            solver.round(weights, 0, rows, blocks, 0);
            rounded.put(layer, new BlockTrainer.Coded(type, blocks));
            byte[] better = new byte[blocks.length];
            solver.solve(weights, 0, rows, better, 0);
            solved.put(layer, new BlockTrainer.Coded(type, better));
        }
    }
}
