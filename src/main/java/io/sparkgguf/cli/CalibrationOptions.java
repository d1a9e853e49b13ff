package io.sparkgguf.cli;

import io.sparkgguf.calibrate.text.Packing;
import io.sparkgguf.gptq.ColumnOrder;
import io.sparkgguf.gptq.Damping;
import io.sparkgguf.gptq.GptqOptions;
import io.sparkgguf.job.CalibrationSettings;
import io.sparkgguf.job.Method;
import io.sparkgguf.job.qat.QatRequest;
import io.sparkgguf.qat.QatSettings;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;

/** The options of quantize and plan that speak of calibration. */
final class CalibrationOptions {
    @Option(
            names = "--method",
            paramLabel = "M",
            description = "How weights are rounded: rtn (plainly), imatrix (errors weighted by importance), gptq (each"
                    + " column's error made up for by the following ones), qat (gptq, then each block is trained on its"
                    + " grids until it gives what the original one gives: the best at 3 bits and fewer, and the slowest)."
                    + " Default: gptq with --calibration, imatrix"
                    + " with --imatrix, else rtn.")
    Method method;

    @Option(
            names = "--calibration",
            paramLabel = "FILE",
            description = "Text like that which the model is for: plain text, JSON lines with 'text' or 'messages',"
                    + " token ids (int32 in .bin, or .safetensors); a file, folder or glob, or its URI; repeatable.")
    List<String> files = new ArrayList<>();

    @Option(
            names = "--calibration-tokens",
            paramLabel = "N",
            defaultValue = "" + CalibrationSettings.DEFAULT_TOKENS,
            description = "Tokens of it to use at the most. Default: ${DEFAULT-VALUE}.")
    long tokens;

    @Option(
            names = "--sequence-length",
            paramLabel = "L",
            description = "Tokens of a sequence. Default: " + CalibrationSettings.DEFAULT_SEQUENCE
                    + ", or the model's context if that is shorter.")
    Integer sequenceLength;

    @Option(
            names = "--packing",
            paramLabel = "P",
            defaultValue = "documents",
            description =
                    "How text becomes sequences: documents (shuffled by the seed, each begun and ended as the model"
                            + " has it, joined and cut) or llama (in order, as llama-imatrix cuts it). Default: ${DEFAULT-VALUE}.")
    Packing packing;

    @Option(
            names = "--seed",
            paramLabel = "S",
            defaultValue = "0",
            description = "Of the order of documents and the choice of held-out sequences. Default: ${DEFAULT-VALUE}.")
    long seed;

    @Option(
            names = "--hold-out",
            paramLabel = "SHARE",
            defaultValue = "" + CalibrationSettings.DEFAULT_HOLD_OUT,
            description = "Share of the sequences that judge results instead of making them: a tensor takes GPTQ's only"
                    + " if it is better there than importance-weighted rounding. 0 for no such guard. Default:"
                    + " ${DEFAULT-VALUE}.")
    double holdOut;

    @Option(
            names = "--tokenizer",
            paramLabel = "FOLDER",
            description = "Hugging Face folder whose tokenizer.json to use, where the model is a GGUF file.")
    String tokenizer;

    @Option(
            names = "--damping",
            paramLabel = "X",
            description =
                    "The least of what is added to a Hessian's diagonal, relative to it. By the rule diag it is 2 *"
                            + " columns / tokens where that is more. Default: 0.03 by diag, 0.01 by mean.")
    Double damping;

    @Option(
            names = "--damping-rule",
            paramLabel = "R",
            defaultValue = "diag",
            description =
                    "What damping is relative to: diag (each element of the diagonal) or mean (their mean, as other"
                            + " tools have it). Default: ${DEFAULT-VALUE}.")
    Damping.Rule dampingRule;

    @Option(
            names = "--act-order",
            negatable = true,
            defaultValue = "true",
            fallbackValue = "true",
            description = "Round the columns with the largest inputs first (the file's order stays). On by default.")
    boolean actOrder;

    @Option(
            names = "--gptq-min-bits",
            paramLabel = "B",
            defaultValue = "" + CalibrationSettings.DEFAULT_MIN_BITS,
            description = "Bits per weight from which on rounding by importance is good enough: GPTQ is for types of"
                    + " fewer. Default: ${DEFAULT-VALUE}, so Q5_1, Q6_K and Q8_0 are rounded.")
    double minBits;

    @Option(
            names = "--gptq-scales",
            paramLabel = "S",
            defaultValue = "static",
            description =
                    "When scales are searched: static (before the columns are walked, from the original weights) or"
                            + " dynamic (when a super-block is reached; columns are then walked super-block by super-block). Default:"
                            + " ${DEFAULT-VALUE}.")
    GptqOptions.Scales scales;

    @Option(
            names = "--conditional-importance",
            paramLabel = "SHARE",
            description =
                    "Share, from 0 to 1, of the conditional importance (what is left of a column's importance once"
                            + " later columns made up for its error) in the search for scales; the rest is the diagonal of the"
                            + " Hessian. Default: 0.5.")
    Double conditional;

    @Option(
            names = "--sweeps",
            paramLabel = "N",
            description = "Times that all levels of a row are looked at again after GPTQ, in the Hessian's metric;"
                    + " nothing is taken that does not lower the error. Default: 4.")
    Integer sweeps;

    @Option(
            names = "--refit",
            negatable = true,
            description = "In these sweeps, fit the scales to the levels as well. On by default.")
    Boolean refit;

    @Option(
            names = "--propagate",
            paramLabel = "W",
            description =
                    "Which weights make the inputs of later blocks: quantized (so that these make up for errors of"
                            + " earlier ones) or original. Default: original with --method imatrix, else quantized.")
    CalibrationSettings.Propagate propagate;

    @Option(
            names = "--target-correction",
            paramLabel = "SHARE",
            description =
                    "How far, from 0 to 1, a layer's weights move towards its original outputs before they are solved,"
                            + " to make up for what quantized layers did to its inputs. Takes a second pass with the original"
                            + " weights, unless 0. Default: " + CalibrationSettings.DEFAULT_TARGET_CORRECTION
                            + ", or 0 with --propagate original or --method imatrix.")
    Double targetCorrection;

    @Option(
            names = "--true-sequential",
            description = "Within a block, see inputs anew behind each group of quantized layers (q k v, o, gate up,"
                    + " down): four passes instead of one, each up to its input.")
    boolean trueSequential;

    @Option(
            names = "--calibrate-head",
            description =
                    "Solve the output head, too (or round it by importance, if its type has --gptq-min-bits or more).")
    boolean head;

    @Option(
            names = "--non-finite-activations",
            paramLabel = "A",
            defaultValue = "stop",
            description = "When an activation is NaN or infinite: stop, or fallback (round this block and the following"
                    + " ones plainly, with a warning). Default: ${DEFAULT-VALUE}.")
    NonFinite nonFinite;

    enum NonFinite {
        STOP,
        FALLBACK
    }

    @Option(
            names = "--shard-tokens",
            paramLabel = "N",
            description =
                    "Tokens that one task takes through a block. Sums are taken shard by shard, so the last bits of"
                            + " a Hessian depend on it. Default: 8192.")
    Integer shardTokens;

    @Option(names = "--tile-size", paramLabel = "N", hidden = true, description = "Rows of a Hessian's tile.")
    Integer tileSize;

    @Option(
            names = "--hessian-memory",
            paramLabel = "SIZE",
            converter = ByteSize.Binary.class,
            description =
                    "What a task may keep of Hessians while it sums or factors them, for each core of an executor; with"
                            + " more, less is read. Default: 512m.")
    Long hessianMemory;

    @Option(
            names = "--solve-memory",
            paramLabel = "SIZE",
            converter = ByteSize.Binary.class,
            description = "What solving a slice of rows may hold, for each core of an executor. Default: 256m.")
    Long solveMemory;

    @Option(
            names = "--qat-tensors",
            paramLabel = "PATTERN",
            description =
                    "With --method qat, what to train: linear layers of blocks in whose name this regular expression"
                            + " is found; repeatable. Default: those of fewer than 4 bits a weight.")
    List<String> qatTensors = new ArrayList<>();

    @Option(
            names = "--qat-steps",
            paramLabel = "N",
            description =
                    "Steps of a block's training at the most; it ends before when held-out sequences no longer gain."
                            + " Default: " + QatSettings.DEFAULT_STEPS + ".")
    Integer qatSteps;

    @Option(
            names = "--qat-model-steps",
            paramLabel = "N",
            description =
                    "Steps in which all blocks are then trained together, towards the predictions of the original model."
                            + " 0 for none. Default: " + QatSettings.TOGETHER_STEPS
                            + " where a task of it holds 1 GiB at"
                            + " the most (up to about 80 million weights in blocks), else none.")
    Integer qatModelSteps;

    @Option(
            names = "--qat-tokens",
            paramLabel = "N",
            description = "Tokens of the calibration to train on at the most. Default: all but the held-out ones.")
    Long qatTokens;

    @Option(
            names = "--qat-learning-rate",
            paramLabel = "R",
            description =
                    "By how much a step moves a weight at the most, about, as a share of the distance of two levels;"
                            + " scales follow in proportion. Default: " + QatSettings.DEFAULT_RATE + ".")
    Double qatRate;

    @Option(
            names = "--qat-mode",
            paramLabel = "M",
            description =
                    "What is trained: weights (with scales, by AdamW) or rounding (by how much each weight is moved"
                            + " before it is rounded, with scales, by signed gradients). Default: weights.")
    QatSettings.Mode qatMode;

    @Option(
            names = "--qat-spread",
            paramLabel = "S",
            defaultValue = "auto",
            description =
                    "How training is spread over a cluster; the bytes are the same: sequences (each step's go to many"
                            + " tasks), blocks (a task trains a block; with --propagate original, all blocks side by side) or auto."
                            + " Default: ${DEFAULT-VALUE}.")
    QatRequest.Spread qatSpread;

    /** The settings, or null when there is no calibration. */
    CalibrationSettings settings(ParseResult parsed) {
        if (files.isEmpty()) {
            requireNone(parsed);
            return null;
        }
        CalibrationSettings.Work work = CalibrationSettings.Work.DEFAULT;
        CalibrationSettings.Propagate seen = propagate != null
                ? propagate
                : method == Method.IMATRIX
                        ? CalibrationSettings.Propagate.ORIGINAL
                        : CalibrationSettings.Propagate.QUANTIZED;
        return new CalibrationSettings(
                files,
                tokens,
                sequenceLength == null ? 0 : sequenceLength,
                packing,
                seed,
                holdOut,
                tokenizer,
                gptq(),
                minBits,
                seen,
                correction(seen),
                trueSequential,
                head,
                nonFinite == NonFinite.STOP,
                new CalibrationSettings.Work(
                        shardTokens == null ? work.shardTokens() : shardTokens,
                        tileSize == null ? work.tileSize() : tileSize,
                        hessianMemory == null ? work.taskMemory() : hessianMemory,
                        solveMemory == null ? work.solveMemory() : solveMemory),
                qat(parsed));
    }

    private QatRequest qat(ParseResult parsed) {
        if (method != Method.QAT) {
            for (OptionSpec option : parsed.matchedOptions()) {
                if (option.longestName().startsWith("--qat-")) {
                    throw new InvalidInputException(
                            "Cannot use " + option.longestName() + " without --method qat: it says how to train");
                }
            }
            return null;
        }
        if (qatTokens != null && qatTokens < 1) {
            throw new InvalidInputException("Cannot use --qat-tokens " + qatTokens + ": the least is 1");
        }
        QatSettings settings = QatSettings.DEFAULT;
        if (qatMode != null) {
            settings = settings.withMode(qatMode);
        }
        if (qatSteps != null) {
            settings = settings.withSteps(QatRequest.requireSteps(qatSteps));
        }
        if (qatRate != null) {
            settings = settings.withRate(QatRequest.requireRate(qatRate));
        }
        return new QatRequest(
                qatTensors,
                settings,
                qatTokens == null ? 0 : qatTokens,
                qatModelSteps == null ? QatRequest.AUTO : QatRequest.requireModelSteps(qatModelSteps),
                qatSpread);
    }

    private double correction(CalibrationSettings.Propagate seen) {
        if (method == Method.IMATRIX && targetCorrection != null && targetCorrection > 0) {
            throw new InvalidInputException("Cannot use --target-correction " + targetCorrection
                    + " with --method imatrix: it is for what gptq solves");
        }
        if (targetCorrection != null) {
            return targetCorrection;
        }
        boolean usual = seen == CalibrationSettings.Propagate.QUANTIZED && method != Method.IMATRIX;
        return usual ? CalibrationSettings.DEFAULT_TARGET_CORRECTION : 0;
    }

    private GptqOptions gptq() {
        Damping usual = dampingRule == Damping.Rule.DIAG ? Damping.DIAGONAL : Damping.CLASSIC;
        try {
            Damping chosen = damping == null ? usual : new Damping(dampingRule, damping, usual.perToken());
            GptqOptions options =
                    GptqOptions.DEFAULT.withDamping(chosen).withOrder(order()).withScales(scales);
            if (conditional != null) {
                options = options.withConditional(conditional);
            }
            if (sweeps != null || refit != null) {
                int count = sweeps == null ? Math.max(options.sweeps(), refit ? 1 : 0) : sweeps;
                options = options.withSweeps(count, refit == null ? options.refit() && count > 0 : refit);
            }
            return options;
        } catch (IllegalArgumentException e) {
            throw new InvalidInputException(e.getMessage(), e);
        }
    }

    /** Scales that are found on the way need the columns of a super-block one after the other. */
    private ColumnOrder order() {
        if (scales == GptqOptions.Scales.DYNAMIC) {
            return actOrder ? ColumnOrder.GROUPED : ColumnOrder.NATURAL;
        }
        return actOrder ? ColumnOrder.ACT : ColumnOrder.NATURAL;
    }

    /** Options of calibration mean nothing without it. */
    private static void requireNone(ParseResult parsed) {
        for (OptionSpec option : parsed.matchedOptions()) {
            if (option.userObject() instanceof java.lang.reflect.Field field
                    && field.getDeclaringClass() == CalibrationOptions.class
                    && !option.longestName().equals("--method")) {
                throw new InvalidInputException(
                        "Cannot use " + option.longestName() + " without --calibration: it says how to calibrate");
            }
        }
    }
}
