package io.sparkgguf.job;

import io.sparkgguf.calibrate.text.TokenSequences;
import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.format.imatrix.Importance;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Noted;
import io.sparkgguf.model.Model;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.quant.mix.Contest.Competitor;
import io.sparkgguf.quant.mix.TensorOrder;
import io.sparkgguf.storage.PinnedStorage;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The stages that measure what types cost tensors: inputs (when there is text but no importance matrix), errors, and
 * effects (when there is text). Items do not depend on the cluster and sums are taken in their order, so neither do the
 * figures.
 */
final class TypeMeasuring {
    /** Rows of a tensor that are looked at, evenly spread. */
    private static final int ROWS = 256;

    /** Tokens that an effect is measured on in one task, unless a sequence has more. */
    private static final int PASSAGE_TOKENS = 512;

    /** Types of fewer bits have their effects measured; those of the others follow from the largest of them. */
    private static final double MEASURED_BELOW = 3.5;

    private final Session session;
    private final QuantizeSettings settings;
    private final Progress progress;
    private final Checkpoint checkpoint;
    private final ImportanceMatrix matrix;
    private final TokenSequences text;
    private final Storage pinned;
    private final RunnableModel model;
    private final BlendedWeights weights;
    private final List<ModelTensor> tensors = new ArrayList<>();
    private final Map<String, List<BlockType>> types = new LinkedHashMap<>();
    private final Map<String, Long> memory = new LinkedHashMap<>();
    private final Map<String, Double> seconds = new LinkedHashMap<>();

    /**
     * @param matrix may be null
     * @param text on which effects are measured, or null
     */
    TypeMeasuring(
            Session session,
            QuantizeSettings settings,
            Progress progress,
            Checkpoint checkpoint,
            ImportanceMatrix matrix,
            TokenSequences text,
            List<Competitor> competitors) {
        this.session = session;
        this.settings = settings;
        this.progress = progress;
        this.checkpoint = checkpoint;
        this.matrix = matrix;
        this.text = text;
        PinnedStorage source = checkpoint.pin(session.storage());
        pinned = matrix == null ? source : PinnedStorage.of(source, List.of(matrix.status()));
        Map<String, ModelTensor> byName = checkpoint.tensorsByName();
        for (Competitor competitor : competitors) {
            for (String tensor : competitor.tensors()) {
                tensors.add(byName.get(tensor));
                types.put(tensor, competitor.types());
            }
        }
        Model all = checkpoint.model();
        model = text == null ? null : RunnableModel.of(checkpoint);
        ModelWeights original = text != null
                ? model.weights()
                : ModelWeights.of(new Model(all.architecture(), all.metadata(), tensors));
        weights = new BlendedWeights(original, null, settings.allowNonFinite());
    }

    /**
     * What was measured.
     *
     * @param errors relative squared errors of outputs, by tensor and type
     * @param divergences mean KL divergences, by tensor and type of those that were measured; empty without text
     */
    record Measured(
            Map<String, Map<BlockType, Double>> errors,
            Map<String, Map<BlockType, Double>> divergences,
            Map<String, Double> seconds) {

        /** The KL divergence that a type brings about. @param effect of an error of 1 where nothing is measured */
        double divergence(String tensor, BlockType type, double effect) {
            double error = errors.get(tensor).get(type);
            Map<BlockType, Double> known = divergences.get(tensor);
            if (known == null) {
                return effect * error;
            }
            if (known.containsKey(type)) {
                return Math.max(0, known.get(type));
            }
            BlockType nearest = null; // in order of bits: the last has most
            for (BlockType candidate : known.keySet()) {
                nearest = candidate;
            }
            double of = errors.get(tensor).get(nearest);
            return of == 0 ? 0 : Math.max(0, known.get(nearest)) * error / of;
        }
    }

    /** What decides the items beside source and text: which types of which tensors are looked at. */
    String items() {
        return types.toString();
    }

    /** Bytes of the largest task, by kind. */
    Map<String, Long> memory() {
        return memory;
    }

    /** For people: what the squared errors of columns are counted by. */
    String errorsBy() {
        return matrix != null
                ? "importance matrix"
                : text != null ? "mean squares of inputs, measured on text" : "all columns alike";
    }

    /** @param remembered where results are kept; null for nowhere */
    Measured run(RememberedStages remembered) throws IOException {
        session.context();
        Map<String, float[]> seen = matrix == null && text != null ? timed("inputs", this::inputs) : Map.of();
        Map<String, Map<BlockType, Double>> errors = timed("errors", () -> errors(remembered, seen));
        Map<String, Map<BlockType, Double>> effects =
                text == null ? Map.of() : timed("effects", () -> effects(remembered, seen));
        checkpoint.requireUnchanged(session.storage());
        return new Measured(errors, effects, seconds);
    }

    private interface Step<R> {
        R run() throws IOException;
    }

    private <R> R timed(String name, Step<R> step) throws IOException {
        long start = System.nanoTime();
        R result = step.run();
        seconds.put(name, Math.round((System.nanoTime() - start) / 1e6) / 1e3);
        return result;
    }

    private <T extends Serializable, R> List<R> stage(
            RememberedStages remembered,
            String name,
            Stage<T, Noted<R>> stage,
            java.util.function.Function<T, String> key,
            Class<R> type)
            throws IOException {
        return remembered == null
                ? Noted.results(stage.run(session, progress))
                : remembered.run(name, name, stage, key, type);
    }

    private void require(String kind, String what, long bytes) {
        memory.put(kind, bytes);
        session.requireRoom(what, bytes, null);
    }

    /** Mean squares of what each linear layer reads, by tensor. */
    private Map<String, float[]> inputs() throws IOException {
        List<Passage> passages = Passage.cut(text.tokens(), text.ends(), Passage.TOKENS);
        InputColumns columns = new InputColumns(model.config(), model.weights().has("output.weight"));
        ImatrixTask task = new ImatrixTask(pinned, null, model, columns);
        long bytes = task.memory(passages.get(0).tokens().length);
        require("inputs", "seeing what layers read", bytes);
        List<double[]> sums = Stage.of("types: inputs", passages, task::sums)
                .cost(passage -> passage.tokens().length)
                .size(passage -> passage.tokens().length, Progress.Unit.TOKENS)
                .memory(passage -> bytes)
                .run(session, progress);
        double[] all = new double[columns.count()];
        for (double[] sum : sums) {
            for (int i = 0; i < all.length; i++) {
                all[i] += sum[i];
            }
        }
        Map<String, float[]> means = new HashMap<>();
        for (int block = 0; block < model.config().blocks(); block++) {
            for (LinearInput input : LinearInput.values()) {
                float[] mean = mean(all, columns.at(block, input), columns.columns(input));
                input.tensors(block).forEach(tensor -> means.put(tensor, mean));
            }
        }
        if (columns.output()) {
            means.put(
                    "output.weight",
                    mean(all, columns.atOutput(), model.config().width()));
        }
        return means;
    }

    private float[] mean(double[] sums, int at, int count) {
        float[] mean = new float[count];
        for (int i = 0; i < count; i++) {
            mean[i] = (float) (sums[at + i] / text.tokens().length);
        }
        return mean;
    }

    private Map<String, Map<BlockType, Double>> errors(RememberedStages remembered, Map<String, float[]> seen)
            throws IOException {
        HashMap<String, ImatrixEntry> entries = new HashMap<>();
        List<TypeErrors.Item> items = new ArrayList<>();
        long most = 0;
        for (int t = 0; t < tensors.size(); t++) {
            ModelTensor tensor = tensors.get(t);
            ImatrixEntry entry = entry(tensor);
            if (entry != null) {
                entries.put(tensor.name(), entry);
            }
            for (SurveySlice slice : SurveySlice.cut(t, tensor, ROWS)) {
                items.add(new TypeErrors.Item(
                        slice, seen.get(tensor.name()), searched(), new ArrayList<>(types.get(tensor.name()))));
                most = Math.max(most, TypeErrors.memory(slice.columns()));
            }
        }
        long bytes = most + weights.original().memory();
        require("errors", "trying types on rows", bytes);
        Stage<TypeErrors.Item, Noted<TypeErrors.Sums>> stage = Stage.of(
                        "types: errors", items, Noted.of(new TypeErrors(new SurveyRows(pinned, weights, entries))))
                .cost(item -> item.slice().weights() * item.types().size())
                .size(item -> Float.BYTES * item.slice().weights())
                .memory(item -> bytes);
        List<TypeErrors.Sums> sums =
                stage(remembered, "types: errors", stage, TypeErrors.Item::key, TypeErrors.Sums.class);
        Map<String, TypeErrors.Sums> all = new LinkedHashMap<>();
        for (int i = 0; i < items.size(); i++) {
            all.merge(items.get(i).slice().name(), sums.get(i), TypeErrors.Sums::and);
        }
        Map<String, Map<BlockType, Double>> errors = new LinkedHashMap<>();
        all.forEach((tensor, sum) -> {
            Map<BlockType, Double> byType = new LinkedHashMap<>();
            for (int t = 0; t < types.get(tensor).size(); t++) {
                byType.put(types.get(tensor).get(t), sum.relative(t));
            }
            errors.put(tensor, byType);
        });
        return errors;
    }

    private ImatrixEntry entry(ModelTensor tensor) {
        ImatrixEntry entry = matrix == null ? null : matrix.entries().get(tensor.name());
        if (entry != null) {
            entry.requireFits(tensor.shape());
        }
        return entry;
    }

    /** Whether the run's method lets importance have a say in how rows are rounded. */
    private boolean searched() {
        return settings.method() != Method.RTN;
    }

    private Map<String, Map<BlockType, Double>> effects(RememberedStages remembered, Map<String, float[]> seen)
            throws IOException {
        List<Passage> passages = Passage.cut(text.tokens(), text.ends(), PASSAGE_TOKENS);
        List<TypeEffects.Item> items = new ArrayList<>();
        int most = 0;
        for (Map.Entry<Integer, List<ModelTensor>> block : byBlock().entrySet()) {
            for (int level = 0; ; level++) {
                ArrayList<TypeEffects.Probe> probes = new ArrayList<>();
                for (ModelTensor tensor : block.getValue()) {
                    List<BlockType> measured = measured(tensor.name());
                    if (level < measured.size()) {
                        probes.add(new TypeEffects.Probe(
                                tensor.name(), measured.get(level), searched() ? importance(tensor, seen) : null));
                    }
                }
                if (probes.isEmpty()) {
                    break;
                }
                most = Math.max(most, probes.size());
                for (Passage passage : passages) {
                    items.add(new TypeEffects.Item(block.getKey(), level, passage, probes));
                }
            }
        }
        TypeEffects task = new TypeEffects(pinned, model, weights);
        int longest = passages.stream()
                .mapToInt(passage -> passage.tokens().length)
                .max()
                .orElseThrow();
        long bytes = task.memory(longest, most);
        require("effects", "measuring the effects of a block's tensors", bytes);
        int blocks = model.config().blocks();
        Stage<TypeEffects.Item, Noted<TypeEffects.Divergences>> stage = Stage.of(
                        "types: effects", items, Noted.of(task))
                .cost(item -> item.cost(blocks))
                .size(item -> item.passage().tokens().length, Progress.Unit.TOKENS)
                .memory(item -> bytes);
        List<TypeEffects.Divergences> found =
                stage(remembered, "types: effects", stage, TypeEffects.Item::key, TypeEffects.Divergences.class);
        Map<String, Map<BlockType, Double>> all = new LinkedHashMap<>();
        for (int i = 0; i < items.size(); i++) {
            for (int p = 0; p < items.get(i).probes().size(); p++) {
                TypeEffects.Probe probe = items.get(i).probes().get(p);
                all.computeIfAbsent(probe.tensor(), key -> new LinkedHashMap<>())
                        .merge(probe.type(), found.get(i).sums()[p] / text.tokens().length, Double::sum);
            }
        }
        return all;
    }

    /** The tensors that the forward pass reads, by block; -1 is the embedding, the number of blocks the head. */
    private Map<Integer, List<ModelTensor>> byBlock() {
        Map<Integer, List<ModelTensor>> blocks = new TreeMap<>();
        for (ModelTensor tensor : tensors) {
            String name = tensor.name();
            Integer block = name.equals("token_embd.weight")
                    ? Integer.valueOf(-1)
                    : name.equals("output.weight")
                            ? Integer.valueOf(model.config().blocks())
                            : LinearInput.of(name).isPresent()
                                    ? Integer.valueOf(TensorOrder.layer(name).orElseThrow())
                                    : null;
            if (block != null) {
                blocks.computeIfAbsent(block, key -> new ArrayList<>()).add(tensor);
            }
        }
        return blocks;
    }

    /** The types whose effect on predictions is measured, by bits upwards. */
    private List<BlockType> measured(String tensor) {
        List<BlockType> small = types.get(tensor).stream()
                .filter(type -> type.bitsPerElement() < MEASURED_BELOW)
                .toList();
        return small.isEmpty() ? types.get(tensor).subList(0, 1) : small;
    }

    private float[] importance(ModelTensor tensor, Map<String, float[]> seen) throws IOException {
        ImatrixEntry entry = entry(tensor);
        if (entry == null) {
            return seen.get(tensor.name());
        }
        try (RangeReader reader = pinned.open(entry.file())) {
            return Importance.load(reader, entry, Math.toIntExact(tensor.shape().columns()), 0);
        }
    }
}
