package io.sparkgguf.job;

import io.sparkgguf.calibrate.InputFile;
import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.calibrate.TileBlock;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.gptq.RowSolver;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.plan.CostModel;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.SolveCost;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.mix.TypeChoice;
import io.sparkgguf.report.CalibrationReport;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.Metadata;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/** What calibration does to a plan's tensors, block by block. */
final class CalibrationPlan {
    private final Method method;
    private final CalibrationSettings settings;
    private final DecoderConfig config;
    private final boolean head;
    private final CalibrationTokens tokens;
    private final CalibrationFolder folder;
    private final QatPlan qat;

    /**
     * @param method GPTQ, with or without training, or importance-weighted rounding alone
     * @param head whether the model's output head is calibrated as well
     * @param folder null while there is no place yet for what it makes
     */
    CalibrationPlan(
            Method method,
            CalibrationSettings settings,
            DecoderConfig config,
            boolean head,
            CalibrationTokens tokens,
            CalibrationFolder folder) {
        this.method = method;
        this.settings = settings;
        this.config = config;
        this.head = head;
        this.tokens = tokens;
        this.folder = folder;
        qat = method == Method.QAT ? new QatPlan(settings, config, tokens) : null;
    }

    /** The same with a place for what it makes. */
    CalibrationPlan in(CalibrationFolder place) {
        return new CalibrationPlan(method, settings, config, head, tokens, place);
    }

    /**
     * The tensors of a block.
     *
     * @param index of the block
     * @param tensors all of them, as indices of the plan
     * @param inputs of its linear layers that are to be seen
     */
    record Block(int index, List<Integer> tensors, Map<LinearInput, Input> inputs) {}

    /** What is read by the output head, which stands behind the blocks like another one, is found under this name. */
    static final LinearInput HEAD = LinearInput.ATTENTION;

    /** Blocks of tiles that the Hessians of a block are cut into, about: more tasks than most clusters have cores. */
    private static final int SUM_TASKS = 64;

    private static final String HEAD_TENSOR = "output.weight";

    /** Names the files of the text in the output's metadata, joined by {@link #FILES_SEPARATOR}. */
    static final String FILES_KEY = "quantize.calibration.files";

    static final String FILES_SEPARATOR = ", ";

    /** What is trained; null for nothing. */
    QatPlan qat() {
        return qat;
    }

    /** Whether blocks are trained side by side, once all are solved. */
    boolean trainsSideBySide() {
        return qat != null && qat.sideBySide();
    }

    /** Whether the head is calibrated, after the last block. */
    boolean head() {
        return head;
    }

    /**
     * An input and the layers that read it.
     *
     * @param solved tensors that get GPTQ
     * @param weighted tensors that are rounded with the input's importance
     */
    record Input(LinearInput input, int columns, List<Integer> solved, List<Integer> weighted) {}

    CalibrationSettings settings() {
        return settings;
    }

    DecoderConfig config() {
        return config;
    }

    CalibrationTokens tokens() {
        return tokens;
    }

    CalibrationFolder folder() {
        return folder;
    }

    List<Shard> shards() {
        return tokens.shards();
    }

    /** The importance that calibration will make, by tensor, before it is made. */
    Map<String, ImatrixEntry> importance(Storage storage) {
        Map<String, ImatrixEntry> entries = new LinkedHashMap<>();
        for (int block = 0; block < config.blocks(); block++) {
            for (LinearInput input : LinearInput.values()) {
                String file = folder.importance(storage, block, input);
                for (String tensor : input.tensors(block)) {
                    entries.put(tensor, new ImatrixEntry(tensor, file, columns(input), 0, 1, -1, 0));
                }
            }
        }
        if (head) {
            String file = folder.importance(storage, config.blocks(), HEAD);
            entries.put(HEAD_TENSOR, new ImatrixEntry(HEAD_TENSOR, file, config.width(), 0, 1, -1, 0));
        }
        return entries;
    }

    /** The input that a tensor reads, if it is one that calibration sees. */
    private Optional<LinearInput> input(String tensor) {
        return head && tensor.equals(HEAD_TENSOR) ? Optional.of(HEAD) : LinearInput.of(tensor);
    }

    /** Columns of an input. */
    int columns(LinearInput input) {
        return switch (input) {
            case ATTENTION, FEED_FORWARD -> config.width();
            case ATTENTION_OUTPUT -> config.queryColumns();
            case FEED_FORWARD_DOWN -> config.feedForward();
        };
    }

    /** Whether a tensor of this type and place gets GPTQ. */
    boolean solves(TypeChoice choice) {
        return method.solves()
                && choice.shape().rank() == 2
                && !choice.isCopied()
                && input(choice.name()).isPresent()
                && RowSolver.solves(choice.type())
                && choice.type().bitsPerElement() < settings.minBits();
    }

    /** Whether weights are moved towards their original outputs, for which inputs are made with original weights, too. */
    boolean corrects() {
        return method.solves() && settings.targetCorrection() > 0;
    }

    /** What solving a tensor takes, or null when it is rounded. */
    SolveCost solving(TypeChoice choice) {
        if (!solves(choice)) {
            return null;
        }
        int columns = Math.toIntExact(choice.shape().columns());
        long one = SolveTask.memory(choice.type(), settings.gptq(), corrects(), 1, columns);
        long more = SolveTask.memory(choice.type(), settings.gptq(), corrects(), 65, columns);
        long perRow = Math.max(1, (more - one + 63) / 64);
        double nanos = CostModel.nanosOfSolving(
                choice.type(),
                columns,
                settings.gptq().sweeps(),
                tokens.heldOut().count() > 0,
                corrects());
        return new SolveCost(settings.work().solveMemory(), Math.max(0, one - perRow), perRow, nanos);
    }

    /** The blocks of the plan, and behind them the head if it is calibrated. */
    List<Block> blocks(Plan plan) {
        List<Block> blocks = new ArrayList<>();
        for (int block = 0; block < config.blocks(); block++) {
            String prefix = "blk." + block + ".";
            blocks.add(block(plan, block, name -> name.startsWith(prefix)));
        }
        if (head) {
            blocks.add(block(plan, config.blocks(), HEAD_TENSOR::equals));
        }
        return blocks;
    }

    private Block block(Plan plan, int block, Predicate<String> belongs) {
        List<Integer> tensors = new ArrayList<>();
        Map<LinearInput, Input> inputs = new EnumMap<>(LinearInput.class);
        for (PlannedTensor tensor : plan.tensors()) {
            if (!belongs.test(tensor.name())) {
                continue;
            }
            tensors.add(tensor.index());
            Optional<LinearInput> reads = input(tensor.name());
            if (reads.isEmpty()) {
                continue;
            }
            boolean solved = solves(tensor.choice());
            boolean weighted = !solved
                    && tensor.importance() != null
                    && BlockFormats.of(tensor.type()).usesImportance();
            if (solved || weighted) {
                Input input = inputs.computeIfAbsent(
                        reads.get(), key -> new Input(key, columns(key), new ArrayList<>(), new ArrayList<>()));
                (solved ? input.solved() : input.weighted()).add(tensor.index());
            }
        }
        return new Block(block, tensors, inputs);
    }

    /** How the Hessian of an input is cut; of one that nothing is solved with, the diagonal is enough. */
    TileGrid grid(Input input) {
        return input.solved().isEmpty()
                ? TileGrid.ofDiagonal(input.columns())
                : TileGrid.of(input.columns(), settings.work().tileSize());
    }

    /** Tokens of the largest batch. */
    private int batchTokens() {
        return shards().stream()
                .flatMap(shard -> shard.batches(ShardTasks.BATCH_TOKENS).stream())
                .mapToInt(Shard.Batch::tokens)
                .max()
                .orElse(0);
    }

    /** The inputs of a block, those together that are seen in one pass. */
    List<List<Input>> steps(Block block) {
        List<Input> all = List.copyOf(block.inputs().values());
        if (all.isEmpty()) {
            return List.of();
        }
        return settings.trueSequential() ? all.stream().map(List::of).toList() : List.of(all);
    }

    /** What is to be summed up of inputs that are seen in one pass. Depends on their size, never on the cluster. */
    List<GramTasks.Item> sums(List<Input> step) {
        int paths = corrects() ? 3 : 1; // Δ has twice the products of half a matrix
        long products = step.stream()
                .filter(input -> !input.solved().isEmpty())
                .mapToLong(input -> (long) input.columns() * input.columns() * paths / 2)
                .sum();
        int batch = batchTokens();
        List<GramTasks.Item> items = new ArrayList<>();
        for (Input input : step) {
            TileGrid grid = grid(input);
            long training = tokens.counted(false);
            if (input.solved().isEmpty()) {
                items.add(new GramTasks.Item(input.input(), false, training, grid.order(), null));
                continue;
            }
            int side = TileBlock.side(grid.tileSize(), settings.work().taskMemory(), batch, products, SUM_TASKS);
            for (boolean heldOut : tokens.heldOut().count() > 0 ? new boolean[] {false, true} : new boolean[] {false}) {
                for (TileGrid of : corrects() ? List.of(grid, grid.all()) : List.of(grid)) {
                    TileBlock.cut(of, side)
                            .forEach(tiles -> items.add(new GramTasks.Item(
                                    input.input(), heldOut, tokens.counted(heldOut), grid.order(), tiles)));
                }
            }
        }
        return items;
    }

    /** The last part of a name, as {@link #FILES_KEY} has it. */
    static String fileName(String file) {
        return file.substring(file.lastIndexOf('/') + 1);
    }

    /** What the file says of its calibration: names of files without their folders, so that bytes do not depend on these. */
    void describe(Metadata metadata) {
        metadata.putString("quantize.method", method.label())
                .putString(
                        FILES_KEY,
                        settings.files().stream()
                                .map(CalibrationPlan::fileName)
                                .collect(Collectors.joining(FILES_SEPARATOR)))
                .putU32("quantize.calibration.tokens_count", tokens.all())
                .putU32("quantize.calibration.sequence_length", tokens.sequenceLength());
        if (corrects()) {
            metadata.putF32("quantize.calibration.target_correction", (float) settings.targetCorrection());
        }
        if (qat != null) {
            qat.describe(metadata);
        }
    }

    /** What calibration does, and what its tasks hold. */
    CalibrationReport report(Plan plan) {
        List<Block> blocks = blocks(plan);
        Map<String, Long> memory = memory(plan, blocks);
        int solved = 0;
        int weighted = 0;
        for (Block block : blocks) {
            for (Input input : block.inputs().values()) {
                solved += input.solved().size();
                weighted += input.weighted().size();
            }
        }
        memory.put(
                "solve",
                plan.units().stream()
                        .filter(unit -> solves(plan.tensors().get(unit.tensor()).choice()))
                        .mapToLong(WorkUnit::memory)
                        .max()
                        .orElse(0));
        return new CalibrationReport(
                settings.files(),
                tokens.all(),
                tokens.training().count() + tokens.heldOut().count(),
                tokens.sequenceLength(),
                tokens.counted(false),
                tokens.counted(true),
                shards().size(),
                solved,
                weighted,
                memory,
                new CalibrationDisk(this, plan).most(blocks),
                null,
                null,
                null,
                null);
    }

    /** Bytes that a task holds at its peak, by kind of task; those that solve are units of the plan. */
    Map<String, Long> memory(Plan plan, List<Block> blocks) {
        Map<String, Long> memory = new LinkedHashMap<>();
        Map<LinearInput, TileGrid> all = new EnumMap<>(LinearInput.class);
        for (Block block : blocks) {
            for (Input input : block.inputs().values()) {
                all.merge(input.input(), grid(input), (a, b) -> a.memory() < b.memory() ? b : a);
            }
        }
        int batch = batchTokens();
        long forward = Decoder.memory(config, 0, batch) + (long) batch * config.width() * Float.BYTES;
        int paths = corrects() ? 2 : 1;
        memory.put("forward", forward + ShardTasks.keptMemory(config, 1));
        memory.put(
                "inputs",
                paths * forward
                        + ShardTasks.keptMemory(config, paths)
                        + InputFile.writerMemory(all, batch, corrects()));
        memory.put(
                "hessians",
                blocks.stream()
                        .flatMap(block -> steps(block).stream())
                        .flatMap(step -> sums(step).stream())
                        .mapToLong(item -> item.memory(batch))
                        .max()
                        .orElse(0));
        memory.put(
                "factors",
                all.values().stream()
                        .mapToLong(grid -> FactorTasks.memory(grid, settings.work()))
                        .max()
                        .orElse(0));
        if (qat != null) {
            memory.put("teach", memory.get("forward"));
            if (qat.trainsTogether()) {
                memory.put(ModelTraining.TEACH, memory.get("forward"));
            }
            memory.putAll(qat.memory(plan, blocks));
        }
        return memory;
    }
}
