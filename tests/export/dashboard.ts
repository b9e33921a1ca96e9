// The types of a dashboard in Grafana's own schema. A test writes the dashboard below as `const dashboard: Written = ...` and
// compiles it; it is never run.

import type { Dashboard, DataQuery, Panel } from "@grafana/schema";
import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type {
  FieldConfig as TimeSeriesFields,
  Options as TimeSeriesOptions,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// In a file an enumeration's value is its text.
type Plain<T> = T extends string ? `${T}` : T extends object ? { [Key in keyof T]: Plain<T[Key]> } : T;

type Query = DataQuery & { expr: string; legendFormat?: string };
type Shown<Type, Options, Fields> = Plain<Omit<Panel<Options, Fields>, "type" | "targets" | "options">> & {
  type: Type;
  targets: Plain<Query>[];
  options?: Plain<Options>;
};

export type Written = Plain<Omit<Dashboard, "panels">> & {
  panels: (Shown<"stat", Partial<StatOptions>, {}> | Shown<"timeseries", TimeSeriesOptions, TimeSeriesFields>)[];
};
