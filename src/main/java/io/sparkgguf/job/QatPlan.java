package io.sparkgguf.job;

import io.sparkgguf.calibrate.HiddenStates;
import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.job.qat.QatRequest;
import io.sparkgguf.job.qat.TrainedSequence;
import io.sparkgguf.job.qat.TrainingTasks;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.qat.BlockMatrices;
import io.sparkgguf.qat.Layer;
import io.sparkgguf.qat.QatSettings;
import io.sparkgguf.quant.GridFormats;
import io.sparkgguf.quant.mix.TypeChoice;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What training does to a plan's tensors: which layers are trained, on which sequences, and by which tasks. */
final class QatPlan {
    /** Operations of a step up to which sharing it out takes longer than it saves: half a second of a core. */
    private static final double SHORT_STEP = 1e11;

    private final QatRequest request;
    private final DecoderConfig config;
    private final boolean original;
    private final List<Chosen> training = new ArrayList<>();
    private final List<Chosen> heldOut = new ArrayList<>();
    private final QatSettings settings;
    private final QatSettings modelSettings;

    /** A sequence of a shard. */
    private record Chosen(Shard shard, int first, int index, int tokens) {}

    QatPlan(CalibrationSettings calibration, DecoderConfig config, CalibrationTokens tokens) {
        this.request = calibration.qat();
        this.config = config;
        original = calibration.propagate() == CalibrationSettings.Propagate.ORIGINAL;
        requireBackwardPass();
        QatSettings asked = request.settings();
        long most = request.tokens() == 0 ? Long.MAX_VALUE : request.tokens();
        for (Shard shard : tokens.shards()) {
            choose(shard, shard.heldOut() ? (long) asked.heldOut() * QatRequest.SETTLED_LENGTH : most);
        }
        settings = scaled(asked, tokens.sequenceLength());
        QatSettings together = QatSettings.TOGETHER;
        modelSettings = scaled(
                together.withMode(asked.mode())
                        .withRate(Math.min(1, together.weightRate() * asked.weightRate() / QatSettings.DEFAULT_RATE))
                        .withSteps(modelSteps()),
                tokens.sequenceLength());
    }

    /** With as many sequences of a step as have its tokens. */
    private QatSettings scaled(QatSettings asked, int length) {
        int ofStep = (int) Math.max(1, Math.round((double) asked.batch() * QatRequest.SETTLED_LENGTH / length));
        return asked.withSequences(Math.min(ofStep, Math.max(1, training.size())), Math.max(1, heldOut.size()));
    }

    private int modelSteps() {
        if (request.modelSteps() != QatRequest.AUTO) {
            return request.modelSteps();
        }
        return modelMemory() <= QatRequest.MODEL_MEMORY ? QatSettings.TOGETHER.steps() : 0;
    }

    private long modelMemory() {
        return TrainingTasks.modelPassMemory(config, longest());
    }

    /** Whether all blocks are trained together, behind the training of each. */
    boolean trainsTogether() {
        return modelSettings.steps() > 0;
    }

    /** Why they are not although nobody said so. */
    Optional<String> whyNotTogether() {
        return trainsTogether() || request.modelSteps() != QatRequest.AUTO
                ? Optional.empty()
                : Optional.of(String.format(
                        Locale.ROOT,
                        "all blocks are not trained together: a task would hold %.1f GiB; --qat-model-steps N asks for it all the same",
                        modelMemory() / (double) (1 << 30)));
    }

    /** How all blocks are trained together. */
    QatSettings modelSettings() {
        return modelSettings;
    }

    /** Sequences of a step of all blocks. */
    int modelBatch() {
        return Math.min(modelSettings.batch(), training.size());
    }

    private void choose(Shard shard, long most) {
        List<Chosen> into = shard.heldOut() ? heldOut : training;
        int first = 0;
        for (int i = 0; i < shard.lengths().length; i++) {
            if (into.stream().mapToLong(Chosen::tokens).sum() < most) {
                into.add(new Chosen(shard, first, i, shard.lengths()[i]));
            }
            first += shard.lengths()[i];
        }
    }

    /** Refuses what {@link io.sparkgguf.qat.BlockPass} does not compute. */
    private void requireBackwardPass() {
        List<String> unknown = new ArrayList<>();
        if (config.subNorms()) {
            unknown.add("norms before its output and down projections");
        }
        if (config.gate() != DecoderConfig.Gate.SILU) {
            unknown.add("a gate that is not SiLU");
        }
        if (config.roundsInputs()) {
            unknown.add("inputs that are rounded to INT8");
        }
        if (!unknown.isEmpty()) {
            throw new InvalidInputException("Cannot use --method qat with " + config.name() + ": it has "
                    + String.join(" and ", unknown) + ", through which there is no backward pass here; --method gptq"
                    + " does without");
        }
    }

    /** How blocks are trained, with numbers of sequences of this length. */
    QatSettings settings() {
        return settings;
    }

    /** Sequences that judge. */
    int heldOut() {
        return heldOut.size();
    }

    /** Tokens that are trained on. */
    long tokens() {
        return training.stream().mapToLong(Chosen::tokens).sum();
    }

    /** Number of sequences of a step. */
    int batch() {
        return Math.min(settings.batch(), training.size());
    }

    /** The layers of a block that are trained, with their tensors. */
    EnumMap<Layer, Integer> layers(Plan plan, CalibrationPlan.Block block) {
        EnumMap<Layer, Integer> layers = new EnumMap<>(Layer.class);
        for (int index : block.tensors()) {
            TypeChoice choice = plan.tensors().get(index).choice();
            if (isTrained(choice)) {
                layers.put(Layer.of(choice.name()).orElseThrow(), index);
            }
        }
        return layers;
    }

    private boolean isTrained(TypeChoice choice) {
        if (Layer.of(choice.name()).isEmpty() || choice.isCopied()) {
            return false;
        }
        return request.tensors().isEmpty()
                ? GridFormats.of(choice.type()).isPresent() && choice.type().bitsPerElement() < QatRequest.DEFAULT_BITS
                : request.pattern(choice.name()) != null;
    }

    /** Refuses patterns and types with which there is nothing to train. */
    void check(Plan plan) {
        List<TypeChoice> layers = plan.tensors().stream()
                .map(PlannedTensor::choice)
                .filter(choice -> Layer.of(choice.name()).isPresent())
                .toList();
        for (String pattern : request.tensors()) {
            if (layers.stream()
                    .noneMatch(choice ->
                            new QatRequest(List.of(pattern), settings, 0, 0, request.spread()).pattern(choice.name())
                                    != null)) {
                throw new InvalidInputException("Cannot use --qat-tensors \"" + pattern
                        + "\": no linear layer of a block has it in its name, for example blk.0.attn_q.weight");
            }
        }
        for (TypeChoice choice : layers) {
            if (!request.tensors().isEmpty()
                    && isTrained(choice)
                    && GridFormats.of(choice.type()).isEmpty()) {
                throw new InvalidInputException(
                        "Cannot train " + choice.name() + " as " + choice.type().label() + ": the type has no grid");
            }
        }
        if (layers.stream().noneMatch(this::isTrained)) {
            throw new InvalidInputException(
                    "Cannot use --method qat: no linear layer of a block gets a type with a grid"
                            + " of fewer than 4 bits a weight; --qat-tensors PATTERN names those to train all the same");
        }
    }

    /** Whether all blocks are trained side by side, once all are solved. */
    boolean sideBySide() {
        return original && request.spread() != QatRequest.Spread.SEQUENCES;
    }

    /** Whether a block is trained by one task. */
    boolean wholeBlocks() {
        double operations = 6.0 * BlockMatrices.memory(config, List.of(Layer.values())) / Float.BYTES * stepTokens();
        return switch (request.spread()) {
            case BLOCKS -> true;
            case SEQUENCES -> false;
            case AUTO -> original || operations <= SHORT_STEP;
        };
    }

    /** Tokens of a step. */
    long stepTokens() {
        return (long) batch() * longest();
    }

    /** Tokens that are measured. */
    long heldOutTokens() {
        return heldOut.stream().mapToLong(Chosen::tokens).sum();
    }

    int longest() {
        return Math.max(longest(training), longest(heldOut));
    }

    private static int longest(List<Chosen> sequences) {
        return sequences.stream().mapToInt(Chosen::tokens).max().orElse(1);
    }

    /** The shards that sequences are of. */
    List<Shard> shards() {
        List<Shard> shards = new ArrayList<>();
        training.forEach(sequence -> add(shards, sequence.shard()));
        heldOut.forEach(sequence -> add(shards, sequence.shard()));
        return shards;
    }

    private static void add(List<Shard> shards, Shard shard) {
        if (shards.isEmpty() || shards.get(shards.size() - 1).id() != shard.id()) {
            shards.add(shard);
        }
    }

    /** The sequences of a block and their files. */
    List<TrainedSequence> sequences(Storage storage, CalibrationFolder folder, int block) {
        List<TrainedSequence> sequences = new ArrayList<>();
        for (List<Chosen> part : List.of(training, heldOut)) {
            for (Chosen chosen : part) {
                Shard shard = chosen.shard();
                sequences.add(new TrainedSequence(
                        shard,
                        chosen.first(),
                        chosen.index(),
                        chosen.tokens(),
                        sideBySide()
                                ? folder.trainingInput(storage, block, shard)
                                : folder.hidden(storage, block, shard),
                        folder.trainingTarget(storage, block, shard)));
            }
        }
        return sequences;
    }

    /** The sequences of all blocks together, and their files. */
    List<TrainedSequence> modelSequences(Storage storage, CalibrationFolder folder) {
        List<TrainedSequence> sequences = new ArrayList<>();
        for (List<Chosen> part : List.of(training, heldOut)) {
            for (Chosen chosen : part) {
                sequences.add(new TrainedSequence(
                        chosen.shard(),
                        chosen.first(),
                        chosen.index(),
                        chosen.tokens(),
                        folder.modelInput(storage, chosen.shard()),
                        folder.modelTarget(storage, chosen.shard())));
            }
        }
        return sequences;
    }

    /** Types of a block's trained layers. */
    static Map<Layer, BlockType> types(Plan plan, EnumMap<Layer, Integer> layers) {
        Map<Layer, BlockType> types = new EnumMap<>(Layer.class);
        layers.forEach(
                (layer, tensor) -> types.put(layer, plan.tensors().get(tensor).type()));
        return types;
    }

    /** Bytes that a task holds, by kind. */
    Map<String, Long> memory(Plan plan, List<CalibrationPlan.Block> blocks) {
        Map<String, Long> memory = new LinkedHashMap<>();
        for (CalibrationPlan.Block block : blocks) {
            Map<Layer, BlockType> types = types(plan, layers(plan, block));
            if (types.isEmpty()) {
                continue;
            }
            if (trainsTogether()) {
                memory.put(TrainingStages.MODEL, modelMemory());
                memory.merge("layers", TrainingTasks.moveMemory(config, types), Math::max);
            }
            if (wholeBlocks()) {
                memory.merge("train", TrainingTasks.memory(config, types, longest()), Math::max);
            } else {
                memory.merge("gradients", TrainingTasks.passMemory(config, types, longest()), Math::max);
                memory.merge("layers", TrainingTasks.moveMemory(config, types), Math::max);
            }
        }
        return memory;
    }

    /** Bytes in the work folder: hidden states to train with, and what a training goes on from. */
    long disk(Plan plan, List<CalibrationPlan.Block> blocks) {
        long states = shards().stream()
                .mapToLong(shard -> HiddenStates.length(shard, config.width()))
                .sum();
        long most = 0;
        int trained = 0;
        long allWeights = 0;
        for (CalibrationPlan.Block block : blocks) {
            EnumMap<Layer, Integer> layers = layers(plan, block);
            long weights = BlockMatrices.memory(config, layers.keySet());
            trained += layers.isEmpty() ? 0 : 1;
            allWeights += weights;
            // weights and two moments, as they were and as they are; values of two steps; gradients
            most = Math.max(most, wholeBlocks() ? 7 * weights : (9 + batch()) * weights);
        }
        long together = trainsTogether() ? 2 * states + (9 + modelBatch()) * allWeights : 0;
        return Math.max(together, sideBySide() ? trained * (2 * states + most) : states + most);
    }

    /** What the file says of its training. */
    void describe(Metadata metadata) {
        metadata.putString("quantize.qat.mode", settings.mode().name().toLowerCase(Locale.ROOT))
                .putU32("quantize.qat.steps", settings.steps())
                .putU32("quantize.qat.model_steps", modelSettings.steps())
                .putU32("quantize.qat.tokens_count", tokens());
    }
}
