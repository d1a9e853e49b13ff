package io.sparkgguf.cli;

import io.sparkgguf.job.QuantizeSettings;
import io.sparkgguf.quant.mix.FileType;
import io.sparkgguf.quant.mix.ImportanceFilter;
import io.sparkgguf.quant.mix.MetadataOverride;
import io.sparkgguf.quant.mix.SizeTarget;
import io.sparkgguf.quant.mix.TensorTypeFile;
import io.sparkgguf.quant.mix.TypeOptions;
import io.sparkgguf.quant.mix.TypeOverride;
import io.sparkgguf.quant.mix.WeightTypes;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/** The options that quantize and plan share. Names are llama-quantize's where it has them. */
final class QuantizeOptions {
    private static final int MAX_TYPE_FILE_BYTES = 16 << 20;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "PATH",
            description =
                    "What to read: a Hugging Face folder (config.json and safetensors), or a GGUF file (of a split"
                            + " one, the first). Any path or URI that Hadoop can open.")
    String model;

    @Option(
            names = {"-t", "--type"},
            paramLabel = "TYPE",
            description = "What to write: a type with its mix, by llama-quantize's name or number, for example Q4_K_M,"
                    + " Q6_K, IQ4_XS, F16, COPY. 'plan --types' lists them all. Needed unless there is a --target-size"
                    + " or --target-bpw.")
    String type;

    @ArgGroup(validate = false, heading = "%nWhich type a tensor gets:%n")
    Types types = new Types();

    static final class Types {
        @Option(names = "--pure", description = "One type for all tensors that can have it, no mix.")
        boolean pure;

        @Option(names = "--leave-output-tensor", description = "Keep output.weight as it is.")
        boolean leaveOutputTensor;

        @Option(names = "--output-tensor-type", paramLabel = "T", description = "Type of output.weight.")
        String outputTensorType;

        @Option(names = "--token-embedding-type", paramLabel = "T", description = "Type of token_embd.weight.")
        String tokenEmbeddingType;

        @Option(
                names = "--tensor-type",
                paramLabel = "RE=T",
                description = "Type of the tensors in whose name the regular expression is found; repeatable, the first"
                        + " that is found counts. Case matters. Example: --tensor-type 'ffn_down=Q6_K'")
        List<String> tensorTypes = new ArrayList<>();

        @Option(
                names = "--tensor-type-file",
                paramLabel = "FILE",
                description = "A file of RE=T, separated by spaces or line breaks; they come after --tensor-type.")
        String tensorTypeFile;

        @Option(
                names = "--no-fallback",
                description = "Refuse a tensor whose rows do not divide into the wanted type's blocks. Without it, it"
                        + " gets the nearest type that fits, with a warning and a line in the report.")
        boolean noFallback;

        @Option(
                names = "--allow-requantize",
                description = "Quantize tensors that are quantized already: loses more than from the original.")
        boolean allowRequantize;
    }

    @ArgGroup(validate = false, heading = "%nTypes by the size of the file:%n")
    TargetOptions target = new TargetOptions();

    @ArgGroup(validate = false, heading = "%nImportance:%n")
    Importance importance = new Importance();

    static final class Importance {
        @Option(
                names = "--imatrix",
                paramLabel = "FILE",
                description = "Importance matrix by llama-imatrix or 'spark-gguf imatrix' (GGUF or the older .dat):"
                        + " errors in columns that see large activations count more. With --calibration it serves"
                        + " tensors that calibration does not reach.")
        String imatrix;

        @Option(
                names = "--include-weights",
                paramLabel = "S",
                description = "Use importance only for tensors whose name contains S; repeatable.")
        List<String> include = new ArrayList<>();

        @Option(
                names = "--exclude-weights",
                paramLabel = "S",
                description = "Use no importance for tensors whose name contains S; repeatable.")
        List<String> exclude = new ArrayList<>();
    }

    @ArgGroup(validate = false, heading = "%nCalibration:%n")
    CalibrationOptions calibration = new CalibrationOptions();

    @ArgGroup(validate = false, heading = "%nMetadata and files:%n")
    MetadataAndFiles files = new MetadataAndFiles();

    static final class MetadataAndFiles {
        @Option(
                names = "--override-kv",
                paramLabel = "KEY=TYPE:VALUE",
                description = "Set a metadata key; TYPE is int, float, bool or str; repeatable.")
        List<String> overrides = new ArrayList<>();

        @Option(
                names = "--pre-tokenizer",
                paramLabel = "ID",
                description =
                        "llama.cpp's name of the tokenizer's pre-tokenizer (llama-bpe, qwen2, ...), where it is not"
                                + " found by itself.")
        String preTokenizer;

        @Option(
                names = "--keep-split",
                description = "Write as many files as a split source has, the same tensors in each.")
        boolean keepSplit;

        @Option(
                names = "--split-max-size",
                paramLabel = "SIZE",
                converter = ByteSize.Decimal.class,
                description = "Split into files of at most this size, for example 2G (decimal, as llama-gguf-split).")
        long splitMaxSize;
    }

    @ArgGroup(validate = false, heading = "%nRunning:%n")
    Running running = new Running();

    static final class Running {
        @Option(
                names = "--unit-memory",
                paramLabel = "SIZE",
                converter = ByteSize.Binary.class,
                defaultValue = "64m",
                description = "What a work unit may read and write, and hold in memory, for each core of an executor."
                        + " Default: ${DEFAULT-VALUE}, which fits executors of 1 GiB.")
        long unitMemory;

        @Option(
                names = "--allow-nonfinite",
                description = "Take NaN and infinite weights as zero, with a line in the report, instead of refusing.")
        boolean allowNonFinite;
    }

    /** Refuses a command line without what every run needs, before anything else is looked at. */
    void requireGiven(CommandLine command) {
        List<String> missing = new ArrayList<>();
        if (model == null) {
            missing.add("'--model=PATH'");
        }
        boolean sized = target.size != null || target.bitsPerWeight != null;
        if (type == null && !sized) {
            missing.add("'--type=TYPE'");
        }
        if (!missing.isEmpty()) {
            throw new ParameterException(
                    command,
                    "Missing required option" + (missing.size() > 1 ? "s: " : ": ") + String.join(", ", missing));
        }
    }

    /**
     * The settings of a run.
     *
     * @param output null when it is only planned
     */
    QuantizeSettings settings(ParseResult parsed, String output, String report, String work) throws IOException {
        List<TypeOverride> fromFile = types.tensorTypeFile == null
                ? List.of()
                : TensorTypeFile.parse(text(types.tensorTypeFile), types.tensorTypeFile);
        try {
            return settings(fromFile, parsed, output, report, work);
        } catch (InvalidInputException e) { // nothing was read for it but the command line
            throw new ParameterException(parsed.commandSpec().commandLine(), e.getMessage(), e);
        }
    }

    private QuantizeSettings settings(
            List<TypeOverride> fromFile, ParseResult parsed, String output, String report, String work) {
        List<TypeOverride> overrides = new ArrayList<>();
        types.tensorTypes.forEach(text -> overrides.add(TypeOverride.parse(text)));
        overrides.addAll(fromFile);
        SizeTarget size = target.target(parsed, type != null);
        TypeOptions options = TypeOptions.builder(type == null ? FileType.Q4_K_M : FileType.parse(type))
                .target(size)
                .pure(types.pure)
                .leaveOutputTensor(types.leaveOutputTensor)
                .outputTensorType(type(types.outputTensorType))
                .tokenEmbeddingType(type(types.tokenEmbeddingType))
                .overrides(overrides)
                .noFallback(types.noFallback)
                .allowRequantize(types.allowRequantize)
                .keepOrder(files.keepSplit)
                .build();
        return new QuantizeSettings(
                model,
                output,
                report,
                work,
                options,
                importance.imatrix,
                new ImportanceFilter(importance.include, importance.exclude),
                files.overrides.stream().map(MetadataOverride::parse).toList(),
                files.preTokenizer,
                files.keepSplit,
                files.splitMaxSize,
                running.unitMemory,
                running.allowNonFinite,
                calibration.method,
                calibration.settings(parsed),
                asked(parsed));
    }

    private static BlockType type(String name) {
        return name == null ? null : WeightTypes.parse(name);
    }

    private static String text(String file) throws IOException {
        try (RangeReader reader = new LocalStorage().open(file)) {
            if (reader.length() > MAX_TYPE_FILE_BYTES) {
                throw new InvalidInputException("Cannot read " + file + ": it has " + reader.length()
                        + " bytes, more than the " + MAX_TYPE_FILE_BYTES + " allowed");
            }
            byte[] bytes = new byte[(int) reader.length()];
            reader.readFully(0, bytes, 0, bytes.length);
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (FileNotFoundException e) {
            throw new InvalidInputException(e.getMessage(), e);
        } catch (CharacterCodingException e) {
            throw new InvalidInputException("Cannot read " + file + ": it is not UTF-8", e);
        }
    }

    /** The options that were given, by name. */
    private static Map<String, Object> asked(ParseResult parsed) {
        Map<String, Object> asked = new LinkedHashMap<>();
        CommandSpec command = parsed.commandSpec();
        for (OptionSpec option : command.options()) {
            if (parsed.hasMatchedOption(option)) {
                List<String> values = parsed.matchedOption(option.longestName()).originalStringValues();
                asked.put(option.longestName(), values.size() == 1 ? values.get(0) : values);
            }
        }
        return asked;
    }
}
