package io.sparkgguf.job;

import io.sparkgguf.plan.UnitCutter;
import io.sparkgguf.quant.mix.ImportanceFilter;
import io.sparkgguf.quant.mix.MetadataOverride;
import io.sparkgguf.quant.mix.TypeOptions;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * What a run of quantize is asked to do.
 *
 * @param model Hugging Face folder or GGUF file, path or URI
 * @param output the GGUF file to write; null when it is only planned
 * @param report where the report goes; null for {@code <output>.report.json}
 * @param workFolder where parts are kept while the run goes on; null for {@code <output>.work}
 * @param types which type tensors get; its importance is set by the run
 * @param imatrix importance-matrix file, or null
 * @param importanceFilter which of its entries count
 * @param overrides metadata to set, in order
 * @param preTokenizer id for {@code tokenizer.ggml.pre}, or null to find it
 * @param keepSplit write the shards of a split source again
 * @param splitMaxSize bytes of a shard at the most; 0 for one file
 * @param unitMemory bytes that a work unit may read and write, and hold
 * @param allowNonFinite take NaN and infinite weights as zero
 * @param method how weights are rounded; null for GPTQ with calibration, importance with a matrix, else plainly
 * @param calibration the text that inputs are seen on, or null
 * @param asked the options as the user gave them, for the report
 */
public record QuantizeSettings(
        String model,
        String output,
        String report,
        String workFolder,
        TypeOptions types,
        String imatrix,
        ImportanceFilter importanceFilter,
        List<MetadataOverride> overrides,
        String preTokenizer,
        boolean keepSplit,
        long splitMaxSize,
        long unitMemory,
        boolean allowNonFinite,
        Method method,
        CalibrationSettings calibration,
        Map<String, Object> asked) {
    /** Fits executors of 1 GiB with several cores. */
    public static final long DEFAULT_UNIT_MEMORY = 64L << 20;

    public QuantizeSettings {
        overrides = List.copyOf(overrides);
        method = method(method, imatrix != null, calibration != null);
        UnitCutter.requireUnitMemory(unitMemory);
        if (imatrix == null
                && !(importanceFilter.include().isEmpty()
                        && importanceFilter.exclude().isEmpty())) {
            throw new InvalidInputException("Cannot use "
                    + (importanceFilter.include().isEmpty() ? "--exclude-weights" : "--include-weights")
                    + " without --imatrix: it chooses among the tensors of an importance matrix");
        }
        if (keepSplit && splitMaxSize > 0) {
            throw new InvalidInputException("Cannot combine --keep-split with --split-max-size:"
                    + " one keeps the shards of the source, the other cuts new ones");
        }
    }

    private static Method method(Method asked, boolean imatrix, boolean calibration) {
        if (asked == Method.QAT && calibration) {
            return asked;
        }
        Method found = calibration ? Method.GPTQ : imatrix ? Method.IMATRIX : Method.RTN;
        if (asked == null || asked == found) {
            return found;
        }
        String reason = switch (asked) {
            case RTN -> (calibration ? "--calibration" : "--imatrix") + " is given, which plain rounding does not use";
            case IMATRIX -> calibration ? null : "it needs --imatrix FILE, or --calibration FILE to make one from";
            case GPTQ, QAT ->
                "it needs --calibration FILE, text like that which the model is for; none is made up here";
        };
        if (reason != null) {
            throw new InvalidInputException("Cannot use --method " + asked.label() + ": " + reason);
        }
        return asked;
    }

    /** The same run with files named by {@code name}, which gets null too. */
    QuantizeSettings renamed(UnaryOperator<String> name) {
        return new QuantizeSettings(
                name.apply(model),
                name.apply(output),
                name.apply(report),
                name.apply(workFolder),
                types.renamed(name),
                name.apply(imatrix),
                importanceFilter,
                overrides,
                preTokenizer,
                keepSplit,
                splitMaxSize,
                unitMemory,
                allowNonFinite,
                method,
                calibration == null ? null : calibration.renamed(name),
                asked);
    }

    /** The name of the report. */
    public String reportFile() {
        return report != null ? report : output + ".report.json";
    }

    /** The name of the work folder. */
    public String work() {
        return workFolder != null ? workFolder.replaceAll("(?<=.)/+$", "") : output + ".work";
    }
}
