package io.sparkgguf.job;

import io.sparkgguf.format.gguf.GgufLayout;
import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.job.work.Fingerprint;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.model.Model;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.Planner;
import io.sparkgguf.plan.RunCost;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.mix.Contest;
import io.sparkgguf.quant.mix.InputTensor;
import io.sparkgguf.quant.mix.ModelFacts;
import io.sparkgguf.quant.mix.TensorOrder;
import io.sparkgguf.quant.mix.TypeChoice;
import io.sparkgguf.quant.mix.TypeChoices;
import io.sparkgguf.quant.mix.TypeOptions;
import io.sparkgguf.quant.mix.TypeSelector;
import io.sparkgguf.report.PlanReport;
import io.sparkgguf.report.Report;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.validate.Finding;
import io.sparkgguf.validate.ModelCheck;
import io.sparkgguf.validate.TensorEntry;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** From settings to a plan: opens the source, chooses types, lays out the files. */
final class Preparation {
    /** The version of ggml's block formats, the same since 2023. */
    private static final int QUANTIZATION_VERSION = 2;

    private final Storage storage;
    private final QuantizeSettings settings;
    private final TypeChooser chooser;
    private final List<String> warnings = new ArrayList<>();
    private Fingerprint fingerprint;
    private TypeOptions types;
    private CalibrationTokens tokens;
    private TypeChooser.Chosen chosen;

    Preparation(Storage storage, QuantizeSettings settings) {
        this(storage, settings, null);
    }

    /** @param chooser for settings with a target, else null */
    Preparation(Storage storage, QuantizeSettings settings, TypeChooser chooser) {
        this.storage = storage;
        this.settings = settings;
        this.chooser = chooser;
        types = settings.types();
    }

    Prepared prepare() throws IOException {
        settings.types().fileType().requireAvailable();
        Checkpoint checkpoint = Checkpoint.open(storage, settings.model(), settings.preTokenizer());
        warnings.addAll(checkpoint.notes());
        Map<String, ModelTensor> tensors = checkpoint.tensorsByName();
        types = Contest.named(
                types,
                tensors.values().stream()
                        .mapToLong(tensor -> tensor.shape().elements())
                        .sum());
        ImportanceMatrix importance = importance(tensors.keySet());
        Metadata metadata = checkpoint.model().metadata().copy();
        settings.overrides().forEach(override -> override.applyTo(metadata));
        ModelFacts facts = ModelFacts.from(metadata);
        CalibrationPlan unplaced = calibration(checkpoint);
        describeRun(metadata, importance, unplaced);
        if (chooser != null) {
            chosen = choose(checkpoint, metadata, facts, importance);
        }
        CalibrationPlan calibration = unplaced == null
                ? null
                : unplaced.in(
                        CalibrationFolder.in(storage, WorkFolder.folder(storage, work(), fingerprint(checkpoint))));
        Map<String, ImatrixEntry> entries = new HashMap<>(importance == null ? Map.of() : importance.entries());
        if (calibration != null) {
            entries.putAll(calibration.importance(storage));
        }

        TypeChoices choices =
                chosen != null ? chosen.choices() : TypeSelector.select(inputs(checkpoint), facts, options(entries));
        warnings.addAll(choices.warnings());
        checkModel(metadata, choices.choices());
        Planner planner = new Planner(metadata, tensors, choices.choices());
        Plan plan = planner.plan(
                output(),
                layouts(planner, checkpoint),
                entries::get,
                settings.unitMemory(),
                choice -> calibration == null ? null : calibration.solving(choice));
        if (calibration != null && calibration.qat() != null) {
            calibration.qat().check(plan);
        }
        if (settings.output() != null) {
            Targets.check(storage, settings, checkpoint, plan);
        }
        warnOfMissingImportance(importance, plan);
        boolean inPlace = settings.output() != null && storage.writesAtOffsets(settings.output());
        RunCost cost = calibration == null ? RunCost.of(plan, inPlace) : new CalibrationCost(calibration, plan).run();
        return new Prepared(
                checkpoint,
                metadata,
                plan,
                importance,
                calibration,
                fingerprint(checkpoint),
                List.copyOf(warnings),
                cost,
                planReport(checkpoint, plan, calibration, cost),
                chosen);
    }

    /** Types for the size that is asked for. Names of files are checked before anything is measured. */
    private TypeChooser.Chosen choose(
            Checkpoint checkpoint, Metadata metadata, ModelFacts facts, ImportanceMatrix importance)
            throws IOException {
        Map<String, ImatrixEntry> entries = importance == null ? Map.of() : importance.entries();
        Contest contest = Contest.of(inputs(checkpoint), facts, options(entries), ternary(checkpoint));
        TypeChoices smallest = contest.smallest();
        Planner any = planner(checkpoint, metadata, smallest);
        List<GgufLayout> layouts = layouts(any, checkpoint);
        if (settings.output() != null) {
            requireLoadable(metadata, smallest.choices(), finding -> {});
            Targets.check(
                    storage, settings, checkpoint, any.plan(output(), layouts, name -> null, settings.unitMemory()));
        }
        return chooser.choose(
                contest,
                new TypeChooser.Source(
                        checkpoint,
                        importance,
                        layouts.get(0).alignment(),
                        choices -> layouts(planner(checkpoint, metadata, choices), checkpoint).stream()
                                .mapToLong(GgufLayout::length)
                                .sum()));
    }

    private static Planner planner(Checkpoint checkpoint, Metadata metadata, TypeChoices choices) {
        return new Planner(metadata, checkpoint.tensorsByName(), choices.choices());
    }

    /** Names of tensors whose weights are ternary, as their source says. */
    private static Set<String> ternary(Checkpoint checkpoint) {
        return checkpoint.model().tensors().stream()
                .filter(tensor -> tensor.source() instanceof ModelTensor.Stored stored && stored.ternary() != null)
                .map(ModelTensor::name)
                .collect(Collectors.toSet());
    }

    /** What is calibrated, without a place yet for what that makes. */
    private CalibrationPlan calibration(Checkpoint checkpoint) throws IOException {
        if (settings.calibration() == null) {
            return null;
        }
        Model model = checkpoint.model();
        Set<String> names = checkpoint.tensorsByName().keySet();
        DecoderConfig config = DecoderConfig.of(model.architecture(), model.metadata(), names::contains);
        tokens = CalibrationTokens.read(storage, checkpoint, config, settings.calibration());
        warnings.addAll(tokens.training().notes());
        boolean head = settings.calibration().head();
        if (head && config.tied()) {
            warnings.add("the output head is the token embedding, which is rounded and not solved");
        }
        return new CalibrationPlan(
                settings.method(), settings.calibration(), config, head && !config.tied(), tokens, null);
    }

    private Fingerprint fingerprint(Checkpoint checkpoint) throws IOException {
        if (fingerprint == null) {
            fingerprint = QuantizeFingerprint.of(
                    storage, settings, checkpoint, tokens, chosen == null ? null : chosen.choices());
        }
        return fingerprint;
    }

    /** The work folder; a plan without an output has none, but names files in one. */
    private String work() {
        return settings.output() != null || settings.workFolder() != null ? settings.work() : output() + ".work";
    }

    private ImportanceMatrix importance(Set<String> tensors) throws IOException {
        if (settings.imatrix() == null) {
            return null;
        }
        ImportanceMatrix matrix =
                ImportanceMatrix.open(storage, settings.imatrix(), settings.importanceFilter(), tensors);
        warnings.addAll(matrix.warnings());
        warnings.addAll(
                settings.importanceFilter().warnings(matrix.file().entries().keySet()));
        return matrix;
    }

    private TypeOptions options(Map<String, ImatrixEntry> entries) {
        return types.withImportance(entries.isEmpty() ? null : entries::containsKey);
    }

    private static List<InputTensor> inputs(Checkpoint checkpoint) {
        boolean converted = checkpoint.kind() == Checkpoint.Kind.HUGGING_FACE;
        return checkpoint.model().tensors().stream()
                .map(tensor -> new InputTensor(
                        tensor.name(),
                        tensor.shape(),
                        packed(tensor) ? DType.F32 : tensor.encoding(), // as its levels are read
                        converted && tensor.keepsF32() ? BlockType.F32 : null))
                .toList();
    }

    private static boolean packed(ModelTensor tensor) {
        return tensor.source() instanceof ModelTensor.Stored stored
                && stored.ternary() != null
                && stored.ternary().isPacked();
    }

    /** What the file says of how it was made. */
    private void describeRun(Metadata metadata, ImportanceMatrix importance, CalibrationPlan calibration) {
        types.fileType()
                .number()
                .ifPresent(number -> metadata.putU32("general.quantization_version", QUANTIZATION_VERSION)
                        .putU32("general.file_type", number));
        if (importance != null) {
            importance.file().describe(metadata, importance.entries().size());
        }
        if (calibration != null) {
            calibration.describe(metadata);
        }
        metadata.putString("quantize.tool", Version.TOOL).putString("quantize.tool_version", Version.number());
    }

    private List<GgufLayout> layouts(Planner planner, Checkpoint checkpoint) {
        if (settings.keepSplit()) {
            if (checkpoint.shards() == 1) {
                throw new InvalidInputException(
                        "Cannot keep the split of " + checkpoint.location() + ": it is not a split GGUF file");
            }
            return planner.splitByShard(
                    checkpoint.shards(), name -> checkpoint.shardOf().get(name));
        }
        return settings.splitMaxSize() > 0 ? planner.splitBySize(settings.splitMaxSize()) : planner.whole();
    }

    /** The name of the output; a plan may have none. */
    private String output() {
        return settings.output() != null ? settings.output() : "model.gguf";
    }

    /** Refuses what llama.cpp would not load, before any work is done for it. */
    private void checkModel(Metadata metadata, List<TypeChoice> choices) {
        requireLoadable(metadata, choices, finding -> warnings.add(finding.message()));
    }

    private void requireLoadable(Metadata metadata, List<TypeChoice> choices, Consumer<Finding> warned) {
        List<TensorEntry> tensors = choices.stream()
                .map(choice -> new TensorEntry(choice.name(), choice.shape(), choice.type()))
                .toList();
        for (Finding finding : ModelCheck.check(metadata, tensors)) {
            if (finding.isError()) {
                throw new InvalidInputException(
                        "Cannot write " + output() + ": llama.cpp would not load it: " + finding.message());
            }
            warned.accept(finding);
        }
    }

    /** Tensors that the matrix says nothing of; llama-imatrix never covers embeddings and, by default, the output. */
    private void warnOfMissingImportance(ImportanceMatrix importance, Plan plan) {
        if (importance == null) {
            return;
        }
        List<String> without = plan.tensors().stream()
                .filter(tensor -> tensor.importance() == null && !tensor.isCopied())
                .filter(tensor -> BlockFormats.of(tensor.type()).usesImportance())
                .map(PlannedTensor::name)
                .filter(name -> TensorOrder.layer(name).isPresent())
                .filter(settings.importanceFilter()::keeps)
                .toList();
        if (!without.isEmpty()) {
            warnings.add("the imatrix has no values for %d tensors, which are rounded without: %s%s"
                    .formatted(without.size(), without.get(0), without.size() > 1 ? " and others" : ""));
        }
    }

    private PlanReport planReport(Checkpoint checkpoint, Plan plan, CalibrationPlan calibration, RunCost cost) {
        int[] units = new int[plan.tensors().size()];
        for (WorkUnit unit : plan.units()) {
            units[unit.tensor()]++;
        }
        return new PlanReport(
                checkpoint.location(),
                checkpoint.model().architecture(),
                types.fileType().name(),
                plan.weights(),
                checkpoint.tensorBytes(),
                plan.fileBytes(),
                plan.bitsPerWeight(),
                plan.units().size(),
                plan.peakUnitMemory(),
                CostReports.of(cost, null),
                calibration == null ? null : calibration.report(plan),
                chosen == null ? null : chosen.report(),
                outputs(plan),
                plan.tensors().stream()
                        .map(tensor -> describe(tensor, plan, units[tensor.index()]))
                        .toList(),
                List.copyOf(warnings));
    }

    static List<Report.Output> outputs(Plan plan) {
        return plan.files().stream()
                .map(file -> new Report.Output(file.file(), file.length(), file.tensors()))
                .toList();
    }

    private static PlanReport.Tensor describe(PlannedTensor tensor, Plan plan, int units) {
        TypeChoice choice = tensor.choice();
        return new PlanReport.Tensor(
                tensor.name(),
                Arrays.stream(choice.shape().toArray()).boxed().toList(),
                tensor.source().encoding().label(),
                choice.type().label(),
                choice.rule().name(),
                choice.detail(),
                choice.wanted() == choice.type() ? null : choice.wanted().label(),
                plan.files().get(tensor.output()).file(),
                tensor.offset(),
                tensor.bytes(),
                units,
                tensor.importance() != null);
    }
}
