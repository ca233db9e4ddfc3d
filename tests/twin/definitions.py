"""Definitions, settings, operators and account reports in the twin."""

from engine import rules
from engine.kinds import EventKind, OperatorAction, Setting, TradingState
from engine.reasons import Reason
from tests.twin.base import LOTS_MAX, Event, Instrument, Rules, Strategy, require
from tests.twin.hooks import Hooks
from tests.twin.ledger import Account


def rule_of(setting: int) -> tuple[rules.RuleTable, str] | None:
    """The table and name of a rule's setting number."""
    for table in rules.TABLES:
        if 0 <= setting - table.base < len(table.bounds):
            return table, list(table.bounds)[setting - table.base]
    return None


class Definitions(Hooks):
    def on_account_defined(self, event: Event) -> None:
        require(event["account"] < self.limits.accounts, Reason.ACCOUNT_TABLE_FULL)
        require(event["account"] not in self.ledger.accounts, Reason.DEFINITION_CONFLICT)
        require(event["account_kind"] <= 1 and 0 <= event["money_decimals"] <= 18, Reason.VALUE_INVALID)
        account = Account(1, event["account_kind"], event["money_decimals"])
        self.ledger.accounts[event["account"]] = account

    def on_strategy_defined(self, event: Event) -> None:
        require(event["source"] < self.limits.strategies, Reason.STRATEGY_TABLE_FULL)
        require(event["source"] not in self.strategies, Reason.DEFINITION_CONFLICT)
        self.strategies[event["source"]] = Strategy(defined=1, enabled=1)

    def on_instrument_defined(self, event: Event) -> None:
        number = event["instrument"]
        require(number < self.limits.instruments, Reason.INSTRUMENT_TABLE_FULL)
        require(event["account"] in self.ledger.accounts, Reason.ACCOUNT_UNKNOWN)
        positive = event["tick_lot_units"] > 0 and event["quantity_step_lots"] > 0
        bounds = (event["quantity_min_lots"], event["quantity_max_lots"], event["notional_min_units"])
        require(event["instrument_kind"] <= 1 and positive and min(bounds) >= 0, Reason.VALUE_INVALID)
        before = self.instruments.get(number)
        if before is not None:
            same = (before.tick_lot_units, before.account) == (event["tick_lot_units"], event["account"])
            require(same, Reason.DEFINITION_CONFLICT)
        instrument = self.instruments.setdefault(number, Instrument(defined=1, account=event["account"]))
        for name in ("instrument_kind", "tick_lot_units", "quantity_step_lots", "quantity_min_lots"):
            setattr(instrument, name, event[name])
        instrument.quantity_max_lots = event["quantity_max_lots"]
        instrument.notional_min_units = event["notional_min_units"]
        for row in self.brackets.values():
            if row.instrument == number:
                row.step = instrument.quantity_step_lots

    def on_instrument_terms_defined(self, event: Event) -> None:
        require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
        require(event["margin_initial_ppm"] >= 0 and event["margin_maintenance_ppm"] >= 0, Reason.VALUE_INVALID)
        for name in ("margin_initial_ppm", "margin_maintenance_ppm", "maker_fee_ppm", "taker_fee_ppm"):
            setattr(self.instruments[event["instrument"]], name, event[name])

    # Settings

    def on_configuration_changed(self, event: Event) -> None:
        setting, value = event["setting"], event["value"]
        if setting == Setting.TRADING_STATE:
            require(value in set(TradingState), Reason.VALUE_INVALID)
            self.trading_state = value
        elif setting == Setting.STRATEGY_ENABLED:
            require(event["source"] in self.strategies, Reason.STRATEGY_UNKNOWN)
            self.strategies[event["source"]].enabled = int(value != 0)
        elif setting in set(Setting):
            require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
            require(0 <= value <= LOTS_MAX, Reason.VALUE_INVALID)
            instrument = self.instruments[event["instrument"]]
            if setting == Setting.ORDER_QUANTITY_LOTS:
                instrument.order_quantity_lots = value
            else:
                instrument.short_allowed = int(value != 0)
        else:
            self._change_rule(event)

    def _change_rule(self, event: Event) -> None:
        found = rule_of(event["setting"])
        require(found is not None, Reason.SETTING_UNKNOWN)
        table, name = found  # type: ignore[misc]
        lowest, highest = table.bounds[name]
        require(lowest <= event["value"] <= highest, Reason.VALUE_INVALID)
        row = self._rules_of(table, event)
        says_nothing_new = table is rules.BREAKER and name != "enabled" and row[name] == event["value"]
        row[name] = event["value"]
        if not says_nothing_new:
            self.on_rules_changed(event["setting"], event["account"], event["instrument"], event["row"])

    def _rules_of(self, table: rules.RuleTable, event: Event) -> Rules:
        """The row of rules that the event's scope names."""
        account, number, strategy, row = (event[name] for name in ("account", "instrument", "source", "row"))
        if table is rules.BOOK:
            return self.book
        if table is rules.BREAKER:
            require(0 <= row < self.limits.breakers, Reason.BREAKER_TABLE_FULL)
            return self.breaker_rules[row]
        if table in (rules.ACCOUNT, rules.RISK_STEP):
            require(account in self.ledger.accounts, Reason.ACCOUNT_UNKNOWN)
            require(table is rules.ACCOUNT or 0 <= row < rules.RISK_STEPS, Reason.VALUE_INVALID)
            return self.account_rules[account] if table is rules.ACCOUNT else self.risk_steps[account][row]
        if table in (rules.STRATEGY, rules.PAIR):
            require(strategy in self.strategies, Reason.STRATEGY_UNKNOWN)
            if table is rules.STRATEGY:
                return self.strategy_rules[strategy]
        require(number in self.instruments, Reason.INSTRUMENT_UNKNOWN)
        if table is rules.INSTRUMENT:
            return self.instrument_rules[number]
        if table is rules.PAIR:
            return self.pair_rules[strategy, number]
        rows_max = rules.WINDOWS_MAX if table is rules.WINDOW else rules.TARGETS_MAX
        require(0 <= row < rows_max, Reason.VALUE_INVALID)
        return self.windows[number][row] if table is rules.WINDOW else self.target_rules[number][row]

    # Operators

    def on_operator_command(self, event: Event) -> None:
        action = event["operator_action"]
        states = {
            OperatorAction.KILL: TradingState.HALTED,
            OperatorAction.RESUME: TradingState.ACTIVE,
            OperatorAction.REDUCE_ONLY: TradingState.REDUCE_ONLY,
        }
        require(action in set(OperatorAction), Reason.ACTION_UNKNOWN)
        if action in states:
            self.trading_state = states[OperatorAction(action)]
        elif action == OperatorAction.CANCEL_ALL:
            for number in sorted(self.instruments):
                self.cancel_orders(number)
        elif action == OperatorAction.FLATTEN:
            self.close_everything(Reason.OPERATOR_CLOSED)
        elif action == OperatorAction.CLOSE:
            require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
            self.close_position(event["instrument"], event["source"], Reason.OPERATOR_CLOSED, 0)
        elif action == OperatorAction.ENABLE_STRATEGY:
            self._enable_strategy(event)
        else:
            self.on_breaker_command(event)

    def _enable_strategy(self, event: Event) -> None:
        """End a strategy's throttle; only an operator with a name can."""
        require(event["target"] in self.strategies, Reason.STRATEGY_UNKNOWN)
        require(event["operator_hash"], Reason.VALUE_INVALID)
        self.strategies[event["target"]].enabled = 1
        self.forget_executions(event["target"])

    def forget_executions(self, strategy: int) -> None:
        raise NotImplementedError

    # Transport and reconciliation

    def on_reported(self, event: Event) -> None:
        kind = event["kind"]
        if kind == EventKind.CONNECTION_LOST:
            self.count("connections_lost")
        elif kind == EventKind.REQUEST_FAILED:
            self.count("requests_failed")
            if (order := self.orders.find(event["order"])) is not None:
                order.amending = 0
                self.orders.happens(order, "no answer", self.ts_ns)
            self.on_request_failed(event)
        elif kind != EventKind.CONNECTION_RESTORED:
            self._on_account_report(event)

    def _on_account_report(self, event: Event) -> None:
        require(event["account"] in self.ledger.accounts, Reason.ACCOUNT_UNKNOWN)
        account = self.ledger.accounts[event["account"]]
        kind = event["kind"]
        require(kind in set(EventKind), Reason.EVENT_KIND_UNKNOWN)
        if kind == EventKind.CASH_MOVED:
            account.move_cash(event["amount_units"])
            self.on_cash_moved(event["account"], event["amount_units"])
            self.value()
            self.on_valued()
        elif kind == EventKind.BALANCE_REPORTED:
            account.reported_total_units = event["total_units"]
            account.reported_available_units = event["available_units"]
        elif kind == EventKind.NOTICE:
            require(700 <= event["reason"] < 800, Reason.VALUE_INVALID)
            self.alert(event["instrument"], 0, event["order"], event["reason"], event["observed"])
        elif kind == EventKind.ORDER_ADOPTED:
            require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
            self.on_order_adopted(event)
        else:
            require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
            self.ledger.position(event["account"], event["instrument"]).reported_lots = event["quantity_lots"]
            self.on_position_reported(event)
