package io.sparkgguf.job.qat;

import io.sparkgguf.calibrate.SectionWriter;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.qat.BlockMatrices;
import io.sparkgguf.qat.BlockTrainer;
import io.sparkgguf.qat.BlockVectors;
import io.sparkgguf.qat.Layer;
import io.sparkgguf.qat.MemoryGradients;
import io.sparkgguf.qat.MemoryModel;
import io.sparkgguf.qat.OutputHead;
import io.sparkgguf.qat.TrainedLayer;
import io.sparkgguf.qat.TrainingLog;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What tasks do in the training of a block, or of all together. Whatever they make is a function of the blocks and the number of the step. */
public final class TrainingTasks implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Tokens with massive activations must not outweigh all others. */
    private static final MemoryGradients.Measure MEASURE = MemoryGradients.Measure.RELATIVE;

    private final Storage storage;

    /** @param storage of the checkpoint and the work folder */
    public TrainingTasks(Storage storage) {
        this.storage = storage;
    }

    private TrainingFiles files(TrainedBlock block) {
        return new TrainingFiles(storage.scratch(), block.folder());
    }

    /** The file of a layer's blocks behind a step. */
    public String blocks(TrainedBlock block, Layer layer, int step) {
        return files(block).blocks(layer, step);
    }

    /** Reads the blocks of a layer behind a step. */
    public static byte[] readBlocks(Storage storage, String file, int bytes) throws IOException {
        return TrainingFiles.readBlocks(storage, file, bytes);
    }

    // ---- one task, one block

    /**
     * Some steps of a block.
     *
     * @param log how far it is; null for its begin
     * @param until trained until so many steps are made
     */
    public record Run(TrainedBlock block, TrainingLog log, int until) implements Serializable {}

    /** Makes them, and writes what is gone on from; with a measurement that is the best, its blocks. */
    public TrainingLog run(Run run) throws IOException {
        TrainedBlock block = run.block();
        TrainingFiles files = files(block);
        DecoderConfig config = block.config();
        Map<Layer, TrainedLayer> layers = new EnumMap<>(Layer.class);
        for (Layer layer : block.layers().keySet()) {
            layers.put(
                    layer,
                    run.log() == null
                            ? begin(block, layer)
                            : layer(block, layer, run.log().steps()));
        }
        BlockTrainer trainer;
        try (WeightSource now = block.now().open(storage)) {
            trainer = new BlockTrainer(
                    config,
                    block.settings(),
                    source(block, now, layers.keySet()),
                    BlockMatrices.read(config, now, block.index(), block.fixed()),
                    layers,
                    run.log());
        }
        TrainingLog log = trainer.train(run.until());
        if (!log.isOver(block.settings())) {
            for (Map.Entry<Layer, TrainedLayer> layer : layers.entrySet()) {
                files.writeNumbers(
                        files.state(layer.getKey(), log.steps()),
                        layer.getValue().numbers());
            }
        }
        if (trainer.best() != null) {
            for (Map.Entry<Layer, BlockTrainer.Coded> best : trainer.best().entrySet()) {
                files.writeBlocks(
                        files.blocks(best.getKey(), log.bestStep()),
                        best.getValue().blocks());
            }
        }
        return log;
    }

    /** Bytes that such a task holds. */
    public static long memory(DecoderConfig config, Map<Layer, BlockType> layers, int tokens) {
        long training = 0;
        long originals = 0;
        for (Map.Entry<Layer, BlockType> layer : layers.entrySet()) {
            training += layerMemory(config, layer.getKey(), layer.getValue());
            originals = Math.max(originals, layer.getKey().size(config));
        }
        return BlockMatrices.memory(config, List.of(Layer.values())) // what is fixed, and gradients of the rest
                + training
                + originals * Float.BYTES
                + MemoryGradients.memory(config, tokens, layers.keySet())
                + 2L * Float.BYTES * tokens * config.width();
    }

    private static long layerMemory(DecoderConfig config, Layer layer, BlockType type) {
        return TrainedLayer.memory(type, layer.rows(config), layer.columns(config))
                + 2 * type.bytes(layer.size(config));
    }

    // ---- many tasks, one step

    /** Work on one sequence. */
    public sealed interface OfSequence extends Serializable permits Pass, ModelPass {
        /** Which it is. */
        int sequence();
    }

    /**
     * A sequence of a step, or one that is measured.
     *
     * @param place in the batch
     * @param sequence which it is
     * @param step number of steps that the weights have
     */
    public record Pass(TrainedBlock block, int place, int sequence, int step) implements OfSequence {}

    /** Writes the gradient of a sequence, and returns its error. */
    public double gradient(Pass pass) throws IOException {
        TrainedBlock block = pass.block();
        Set<Layer> layers = block.layers().keySet();
        try (WeightSource now = block.now().open(storage)) {
            BlockMatrices gradients = BlockMatrices.zeros(block.config(), layers);
            double error = source(block, now, layers)
                    .gradient(values(block, now, pass.step()), new int[] {pass.sequence()}, gradients);
            files(block).writeMatrices(files(block).gradient(pass.place(), pass.step()), layers, gradients);
            return error;
        }
    }

    /** Returns the error of a sequence. */
    public double error(Pass pass) throws IOException {
        TrainedBlock block = pass.block();
        try (WeightSource now = block.now().open(storage)) {
            return source(block, now, Set.of()).error(values(block, now, pass.step()), new int[] {pass.sequence()});
        }
    }

    /** Bytes that a task holds for a sequence. */
    public static long passMemory(DecoderConfig config, Map<Layer, BlockType> layers, int tokens) {
        return BlockMatrices.memory(config, List.of(Layer.values()))
                + BlockMatrices.memory(config, layers.keySet())
                + MemoryGradients.memory(config, tokens, layers.keySet())
                + 2L * Float.BYTES * tokens * config.width();
    }

    private BlockMatrices values(TrainedBlock block, WeightSource now, int step) throws IOException {
        BlockMatrices values = BlockMatrices.read(block.config(), now, block.index(), block.fixed());
        for (Layer layer : block.layers().keySet()) {
            float[] matrix = new float[layer.size(block.config())];
            files(block).readMatrix(files(block).values(layer, step), matrix);
            values.put(layer, matrix);
        }
        return values;
    }

    /**
     * A step of a layer.
     *
     * @param step its number, the first being 1; 0 for the begin
     * @param sequences of its batch; {@link Move#VALUES} when the step was made already and its values alone are wanted
     * @param measured whether what comes out is measured, so that its blocks may be wanted
     */
    public record Move(TrainedBlock block, Layer layer, int step, int sequences, boolean measured)
            implements Serializable {
        public static final int VALUES = -1;
    }

    /** Moves a layer by the gradients of a step's sequences, and writes all of it. */
    public int move(Move move) throws IOException {
        TrainedBlock block = move.block();
        TrainingFiles files = files(block);
        Layer layer = move.layer();
        int before = move.step() - 1;
        if (move.sequences() == Move.VALUES) {
            TrainedLayer known = layer(block, layer, move.step());
            files.writeMatrix(files.values(layer, move.step()), known.values());
            return move.step();
        }
        TrainedLayer trained = move.step() == 0 ? begin(block, layer) : layer(block, layer, before);
        if (move.step() > 0) {
            BlockMatrices sum = BlockMatrices.zeros(block.config(), Set.of(layer));
            float[] one = new float[layer.size(block.config())];
            BlockMatrices own = new BlockMatrices().put(layer, one);
            for (int place = 0; place < move.sequences(); place++) {
                files.readSection(files.gradient(place, before), bytesBefore(block, layer), one);
                sum.add(own);
            }
            trained.train(block.settings(), move.step(), sum.of(layer));
        }
        files.writeNumbers(files.state(layer, move.step()), trained.numbers());
        files.writeMatrix(files.values(layer, move.step()), trained.values());
        if (move.measured()) {
            files.writeBlocks(files.blocks(layer, move.step()), trained.blocks());
        }
        return move.step();
    }

    /** Bytes that a task holds for a layer. */
    public static long moveMemory(DecoderConfig config, Map<Layer, BlockType> layers) {
        return layers.entrySet().stream()
                .mapToLong(layer -> layerMemory(config, layer.getKey(), layer.getValue())
                        + 2L * Float.BYTES * layer.getKey().size(config))
                .max()
                .orElse(0);
    }

    /** Files that only the step behind these weights reads: values and gradients. */
    public List<String> passing(TrainedBlock block, int step, int sequences) {
        TrainingFiles files = files(block);
        List<String> passing = new ArrayList<>();
        block.layers().keySet().forEach(layer -> passing.add(files.values(layer, step)));
        for (int place = 0; place < sequences; place++) {
            passing.add(files.gradient(place, step));
        }
        return passing;
    }

    /** Files that layers go on from behind a step. */
    public List<String> states(TrainedBlock block, int step) {
        return block.layers().keySet().stream()
                .map(layer -> files(block).state(layer, step))
                .toList();
    }

    private static long bytesBefore(TrainedBlock block, Layer layer) {
        long bytes = 0;
        for (Layer other : block.layers().keySet()) {
            if (other == layer) {
                break;
            }
            bytes += SectionWriter.length(other.size(block.config()), Float.BYTES);
        }
        return bytes;
    }

    // ---- all blocks together

    /**
     * A sequence of a step of all blocks, or one that is measured.
     *
     * @param place in the batch
     * @param sequence which it is
     * @param step number of steps that the weights have
     */
    public record ModelPass(TrainedModel model, int place, int sequence, int step) implements OfSequence {}

    /** Writes the gradient of a sequence, each block's for itself, and returns its divergence. */
    public double modelGradient(ModelPass pass) throws IOException {
        TrainedModel model = pass.model();
        List<BlockMatrices> gradients = new ArrayList<>();
        for (TrainedBlock block : model.blocks()) {
            gradients.add(BlockMatrices.zeros(block.config(), block.layers().keySet()));
        }
        double divergence;
        try (WeightSource now = model.now().open(storage)) {
            divergence = source(model, now, model.layers())
                    .gradient(values(model, now, pass.step()), new int[] {pass.sequence()}, gradients);
        }
        for (TrainedBlock block : model.blocks()) {
            if (!block.layers().isEmpty()) {
                TrainingFiles files = files(block);
                files.writeMatrices(
                        files.gradient(pass.place(), pass.step()),
                        block.layers().keySet(),
                        gradients.get(block.index()));
            }
        }
        return divergence;
    }

    /** Returns the divergence of a sequence. */
    public double divergence(ModelPass pass) throws IOException {
        TrainedModel model = pass.model();
        List<Set<Layer>> none =
                model.blocks().stream().map(block -> Set.<Layer>of()).toList();
        try (WeightSource now = model.now().open(storage)) {
            return source(model, now, none).divergence(values(model, now, pass.step()), new int[] {pass.sequence()});
        }
    }

    /** Bytes that such a task holds when every layer is trained. */
    public static long modelPassMemory(DecoderConfig config, int tokens) {
        List<List<Layer>> all = Collections.nCopies(config.blocks(), List.of(Layer.values()));
        long weights = config.blocks() * BlockMatrices.memory(config, List.of(Layer.values()));
        long heads = 2L * Float.BYTES * config.width() * (config.vocabulary() + 1L);
        return 2 * weights // values and gradients
                + heads
                + MemoryModel.memory(config, config.vocabulary(), tokens, all)
                + 2L * Float.BYTES * tokens * config.width();
    }

    private MemoryModel source(TrainedModel model, WeightSource now, List<Set<Layer>> layers) throws IOException {
        DecoderConfig config = model.config();
        OutputHead teacher;
        try (WeightSource original = model.original().open(storage)) {
            teacher = OutputHead.read(config, original);
        }
        List<BlockVectors> vectors = new ArrayList<>();
        for (TrainedBlock block : model.blocks()) {
            vectors.add(BlockVectors.read(config, now, block.index()));
        }
        return new MemoryModel(
                config,
                vectors,
                OutputHead.read(config, now),
                teacher,
                new SequenceFiles(
                        storage,
                        config.width(),
                        model.sequences(),
                        0,
                        model.blocks().size()),
                layers);
    }

    private List<BlockMatrices> values(TrainedModel model, WeightSource now, int step) throws IOException {
        List<BlockMatrices> values = new ArrayList<>();
        for (TrainedBlock block : model.blocks()) {
            values.add(values(block, now, step));
        }
        return values;
    }

    // ---- all of these

    private MemoryGradients source(TrainedBlock block, WeightSource now, Set<Layer> layers) throws IOException {
        return new MemoryGradients(
                block.config(),
                BlockVectors.read(block.config(), now, block.index()),
                MEASURE,
                new SequenceFiles(storage, block.config().width(), block.sequences(), block.index(), block.index() + 1),
                layers);
    }

    private TrainedLayer layer(TrainedBlock block, Layer layer, int step) throws IOException {
        return new TrainedLayer(
                block.layers().get(layer).type(),
                layer.rows(block.config()),
                layer.columns(block.config()),
                files(block).readNumbers(files(block).state(layer, step)));
    }

    private TrainedLayer begin(TrainedBlock block, Layer layer) throws IOException {
        TrainedBlock.Start start = block.layers().get(layer);
        DecoderConfig config = block.config();
        try (WeightSource original = block.original().open(storage)) {
            return new TrainedLayer(
                    start.type(),
                    layer.rows(config),
                    layer.columns(config),
                    BlockMatrices.read(config, original, block.index(), List.of(layer))
                            .of(layer),
                    start(start, Math.toIntExact(start.type().bytes(layer.size(config)))),
                    block.settings().margin());
        }
    }

    private byte[] start(TrainedBlock.Start start, int bytes) throws IOException {
        byte[] blocks = new byte[bytes];
        int at = 0;
        for (String file : start.files()) {
            try (RangeReader reader = storage.open(file)) {
                int length = Math.toIntExact(reader.length());
                reader.readFully(0, blocks, at, length);
                at += length;
            }
        }
        return blocks;
    }
}
