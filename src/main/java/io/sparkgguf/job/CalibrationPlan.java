package io.sparkgguf.job;

import io.sparkgguf.calibrate.Shard;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.gptq.RowSolver;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.SolveMemory;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.mix.TypeChoice;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What calibration does to a plan's tensors, block by block. */
final class CalibrationPlan {
    private final CalibrationSettings settings;
    private final DecoderConfig config;
    private final CalibrationTokens tokens;
    private final CalibrationFolder folder;

    CalibrationPlan(
            CalibrationSettings settings, DecoderConfig config, CalibrationTokens tokens, CalibrationFolder folder) {
        this.settings = settings;
        this.config = config;
        this.tokens = tokens;
        this.folder = folder;
    }

    /**
     * The tensors of a block.
     *
     * @param index of the block
     * @param tensors all of them, as indices of the plan
     * @param inputs of its linear layers that are to be seen
     */
    record Block(int index, List<Integer> tensors, Map<LinearInput, Input> inputs) {}

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
        return entries;
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
        return choice.shape().rank() == 2
                && !choice.isCopied()
                && LinearInput.of(choice.name()).isPresent()
                && hasGrid(choice.type())
                && choice.type().bitsPerElement() < settings.minBits();
    }

    private static boolean hasGrid(BlockType type) {
        return RowSolver.solves(type);
    }

    /** What solving a tensor holds, or null when it is rounded. */
    SolveMemory memory(TypeChoice choice) {
        if (!solves(choice)) {
            return null;
        }
        int columns = Math.toIntExact(choice.shape().columns());
        long one = SolveTask.memory(choice.type(), settings.gptq(), 1, columns);
        long more = SolveTask.memory(choice.type(), settings.gptq(), 65, columns);
        long perRow = Math.max(1, (more - one + 63) / 64);
        return new SolveMemory(settings.work().solveMemory(), Math.max(0, one - perRow), perRow);
    }

    /** The blocks of the plan. */
    List<Block> blocks(Plan plan) {
        List<Block> blocks = new ArrayList<>();
        for (int block = 0; block < config.blocks(); block++) {
            blocks.add(block(plan, block));
        }
        return blocks;
    }

    private Block block(Plan plan, int block) {
        List<Integer> tensors = new ArrayList<>();
        Map<LinearInput, Input> inputs = new EnumMap<>(LinearInput.class);
        String prefix = "blk." + block + ".";
        for (PlannedTensor tensor : plan.tensors()) {
            if (!tensor.name().startsWith(prefix)) {
                continue;
            }
            tensors.add(tensor.index());
            Optional<LinearInput> reads = LinearInput.of(tensor.name());
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

    /** How the Hessian of an input is cut. */
    TileGrid grid(LinearInput input) {
        return TileGrid.of(columns(input), settings.work().tileSize());
    }
}
