package io.sparkgguf.job;

import io.sparkgguf.model.Model;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.RowOrder;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.function.Function;

/** Tensors that were quantized, read from the parts of their units before there is a file of them. */
final class PartWeights {
    private PartWeights() {}

    /**
     * The weights.
     *
     * @param partOf the file of a unit's part
     * @param tensors indices of the plan; all of their units are done
     */
    static ModelWeights of(
            Plan plan, List<List<WorkUnit>> unitsOf, Function<WorkUnit, String> partOf, Collection<Integer> tensors) {
        List<ModelTensor> stored = new ArrayList<>();
        for (int index : tensors) {
            PlannedTensor tensor = plan.tensors().get(index);
            List<TensorLocation> parts = new ArrayList<>();
            for (WorkUnit unit : unitsOf.get(index)) {
                parts.add(new TensorLocation(
                        tensor.name(),
                        tensor.type(),
                        Shape.of(unit.rows(), unit.columns()),
                        partOf.apply(unit),
                        0,
                        unit.bytes()));
            }
            if (!parts.isEmpty()) {
                stored.add(new ModelTensor(
                        tensor.name(), tensor.source().shape(), new ModelTensor.Stored(parts, RowOrder.AS_STORED)));
            }
        }
        return ModelWeights.of(new Model("", new io.sparkgguf.tensor.Metadata(), stored));
    }
}
